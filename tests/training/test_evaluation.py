"""Loss and accuracy of many networks: chunk by chunk the same as at once, and as torch has them."""

import pytest
import torch
from torch.nn import functional

from dropnet.training.evaluation import evaluated


@pytest.mark.parametrize("chunk", [1, 4, 10, 11, 100])
def test_chunks_do_not_matter(chunk):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 5, 11, dtype=torch.float64, generator=generator)
    labels = torch.randint(0, 5, (11,), generator=generator)
    asked = []

    def of_chunk(start):
        asked.append(start)
        return logits[:, :, start : start + chunk]

    losses, accuracies = evaluated(of_chunk, labels, 3, chunk)
    assert asked == list(range(0, 11, chunk))
    for network in range(3):
        of_network = logits[network].T
        assert losses[network] == pytest.approx(functional.cross_entropy(of_network, labels).item())
        assert accuracies[network] == (of_network.argmax(1) == labels).double().mean().item()
