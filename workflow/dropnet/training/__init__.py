"""Training: the engine of each kind of network, and the loop with early stopping around it.

May import `networks`, `data` and what is below them.
"""
