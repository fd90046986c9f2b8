"""How much accuracy a network may lose, and the last one of a curve that loses no more.

Without pandas, which jobs that work with networks do not need.
"""

import numpy as np

MARGINS = (0.005, 0.01, 0.02)  # of accuracy
SHOWN = 0.01  # the one that figures and README show


def last_within(losses: np.ndarray, margin: float) -> int:
    """Return the last point before a loss exceeds a margin for the first time.

    Args:
        losses: of accuracy against the unpruned network, [points]; 0 at the first point.
        margin: the loss allowed.
    """
    beyond = losses > margin
    return int(beyond.argmax()) - 1 if beyond.any() else len(losses) - 1
