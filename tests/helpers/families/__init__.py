"""Models that only tests have: one operation of each kind, as small as can be."""
