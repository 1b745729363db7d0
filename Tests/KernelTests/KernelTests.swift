// Tests of Kernel.
