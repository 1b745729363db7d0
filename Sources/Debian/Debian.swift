// The first file of Debian.
