"""Data: sources -> decoded arrays -> verified data set -> fixed split.

May import `files`, and what everyone may: `errors`, `settings`, `randomness`.
"""
