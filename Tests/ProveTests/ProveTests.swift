// Tests of Prove.
