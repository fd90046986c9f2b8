"""The report: verdicts, figures and where they come from, on one page.

May import `criteria`, `tables`, `paper` and what is below them.
"""
