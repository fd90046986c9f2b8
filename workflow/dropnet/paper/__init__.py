"""The paper: its curves, its protocol and its claims, and our results judged by them.

May import `files` and what is below it.
"""
