// Tests of Guest.
