"""published/: finished runs with where they come from, what follows from them, and its pages.

May import `config`, `figures`, `criteria`, `tables`, `paper` and what is below them.
"""
