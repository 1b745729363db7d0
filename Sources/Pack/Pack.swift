// The first file of Pack.
