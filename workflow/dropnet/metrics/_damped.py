"""Inverses of covariances and curvatures, which a dead node makes singular."""

import torch

DAMPING = 1e-3  # of the mean diagonal


def damped_inverse(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return a positive semi-definite matrix [node, node] with some damping, and its inverse.

    None if it is all 0, as of dead nodes alone.

    Args:
        matrix: finite.
    """
    if not matrix.diagonal().any():
        return None
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    damped = matrix + DAMPING * matrix.diagonal().mean() * identity
    return damped, torch.cholesky_inverse(torch.linalg.cholesky(damped))
