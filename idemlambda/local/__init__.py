"""A Lambda on a desk: what stands around a function in AWS, as far as its handler can see it."""
