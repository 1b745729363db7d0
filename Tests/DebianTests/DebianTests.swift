// Tests of Debian.
