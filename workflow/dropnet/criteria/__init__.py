"""Criteria beside each other: what each is worth against a random choice, by listed tests.

`names` says what a method is compared with, `contrasts` tests it, `ranks` and `layers` describe,
`league` says it in words. All of it follows from runs.csv.

May import `tables`, `paper` and what is below them.
"""
