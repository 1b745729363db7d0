// Tests of Fetch.
