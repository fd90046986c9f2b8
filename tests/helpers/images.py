"""Images that networks can learn something from, as small as can be."""

import torch


def make_images(count, seed=0, side=6, classes=10, channels=1):
    """Images that carry their label: noise, one bright pixel by class, some always 0."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator, dtype=torch.uint8)
    shape = (count, channels, side, side)
    images = torch.randint(0, 120, shape, generator=generator, dtype=torch.uint8)
    images *= torch.rand(shape, generator=generator) < 0.4
    flat = images.view(count, -1)
    flat[torch.arange(count), labels.long()] = 250
    flat[:, -5:] = 0
    return images, labels
