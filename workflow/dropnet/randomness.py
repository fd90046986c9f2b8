"""Random numbers that depend on what they are for, never on what ran before."""

import hashlib

import torch


def generator(*purpose: object) -> torch.Generator:
    """Return a random generator for a purpose, given as words and numbers: "ties", seed, cycle.

    Since no stream is shared, a resumed run, a run in another order or in another stack draws the
    same numbers, and no random state has to be saved.
    """
    digest = hashlib.sha256("/".join(map(str, purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
