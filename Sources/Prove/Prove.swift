// The first file of Prove.
