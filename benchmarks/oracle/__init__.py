"""Figures 13 and 14: the loss without each node or filter, in one cycle of one network."""
