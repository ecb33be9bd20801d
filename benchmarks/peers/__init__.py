"""Other tools beside ours: the same cases, the same weights, in one run."""
