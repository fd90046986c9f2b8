"""Pruning: Algorithm 1, and the jobs that run it and survive being killed.

May import `metrics`, `training`, `tables` and what is below them.
"""
