"""DropNet (Tan & Motani, ICML 2020): iterative pruning of nodes and filters, replicated."""

from dropnet.errors import tell_from_the_start

tell_from_the_start()
