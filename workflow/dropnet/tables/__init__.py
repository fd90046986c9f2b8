"""Tables: what their columns are, and how runs become curves and other tables.

May import `networks`, `files` and what is below them. Jobs that train load `runs` alone, which does
without pandas.
"""
