"""config.yaml: refused in one line, or resolved to a plan of what runs at a scale.

May import `metrics`, `criteria`, `networks`, `data`, `paper`, `tables` and what is below them.
Jobs do not import it: they are told all they need on the command line.
"""
