// Tests of Disk.
