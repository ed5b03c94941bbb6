"""`make evaluate`: how good predictions are on real baskets, beside what is simpler. README.md has the protocol."""
