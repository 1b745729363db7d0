// The first file of Kernel.
