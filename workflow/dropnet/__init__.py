"""DropNet (Tan & Motani, ICML 2020): iterative pruning of nodes and filters, replicated."""
