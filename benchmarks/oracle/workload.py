"""The networks of Figures 13 and 14, and their nodes. The tests hold config.yaml to it."""

WIDTHS = {"A": (20, 20), "B": (20, 20)}  # of Model A (Figure 13) and Model B (Figure 14)


def candidates(model: str) -> list[tuple[int, int]]:
    """Every node or filter, as (layer, index)."""
    return [(layer, n) for layer, width in enumerate(WIDTHS[model]) for n in range(width)]
