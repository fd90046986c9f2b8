"""Figures: curves and tables as pictures, PNG and SVG.

May import `tables`, `paper` and what is below them.
"""
