// The first file of Guest.
