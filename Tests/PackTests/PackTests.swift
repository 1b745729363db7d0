// Tests of Pack.
