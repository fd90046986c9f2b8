"""published/: the committed results of finished runs, and what follows from them.

May import `config`, `figures`, `tables`, `paper` and what is below them.
"""
