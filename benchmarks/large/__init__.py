"""A training step of the large networks, beside a plain loop."""
