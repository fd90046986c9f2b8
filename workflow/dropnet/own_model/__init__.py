"""A model of one's own: its units, their scores, Algorithm 1, and the network really cut.

Needs Torch-Pruning, which nothing else does.

May import `pruning`, `metrics` and what is below them.
"""
