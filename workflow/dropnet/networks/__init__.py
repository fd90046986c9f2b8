"""Networks: what one is, what masks leave of it, and what a pruning cycle leaves behind.

May import `files`, and what everyone may: `errors`, `settings`, `randomness`.
"""
