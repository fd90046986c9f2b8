"""Training on a GPU: the stacked engine, one network after the other, a plain loop, on one GPU."""
