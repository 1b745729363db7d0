// The first file of Disk.
