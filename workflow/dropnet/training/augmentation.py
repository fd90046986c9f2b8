"""Random affine maps of training images, as the authors' notebook for Tiny ImageNet has them.

They are those of Keras' ImageDataGenerator with rotation_range 40, horizontal_flip, fill_mode
"nearest", and width_shift_range, height_shift_range, shear_range and zoom_range 0.2; it also
shuffles the images in every epoch. All follows from the epoch's number: every network sees the same
images in its course, and an interrupted run sees those of an undisturbed one. The centre of a map
is that of the image, and its x goes along a row, as in Keras 3.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from dropnet.randomness import generator

# each to either side
ROTATION = 40.0  # degrees
SHIFT = 0.2  # of the width, and of the height
ZOOM = 0.2  # of each axis
SHEAR = 0.2  # degrees, which is Keras' unit: it moves no pixel of Tiny ImageNet by more than 0.2


@dataclass(frozen=True)
class Draw:
    """What chance decides about an epoch.

    Attributes:
        order: positions in the training split, in the order of the batches, int64 [samples].
        maps: of the images in that order, see `affine_maps`.
    """

    order: torch.Tensor
    maps: torch.Tensor


def draw(
    epoch: int, samples: int, height: int, width: int, device: torch.device | str = "cpu"
) -> Draw:
    """Draw the order and the maps of an epoch; on the processor, so that all devices agree."""
    source = generator("augmentation", epoch)
    order = torch.randperm(samples, generator=source)
    uniform = torch.rand(7, samples, generator=source, dtype=torch.float64)
    rotation, right, down, shear, wide, high = 2 * uniform[:6] - 1
    maps = affine_maps(
        rotation=ROTATION * rotation,
        right=SHIFT * width * right,
        down=SHIFT * height * down,
        shear=SHEAR * shear,
        wide=1 + ZOOM * wide,
        high=1 + ZOOM * high,
        flip=uniform[6] < 0.5,
    )
    return Draw(order.to(device), maps.to(device))


def affine_maps(
    rotation: torch.Tensor,
    right: torch.Tensor,
    down: torch.Tensor,
    shear: torch.Tensor,
    wide: torch.Tensor,
    high: torch.Tensor,
    flip: torch.Tensor,
) -> torch.Tensor:
    """Return Keras' maps: from where a pixel is shown to where in the image its value is taken.

    A map [2, 3] is a matrix and, in its last column, a shift; it acts on (x, y) in pixels, seen
    from the centre of the image, y downwards. The arguments are [samples], the result is
    [samples, 2, 3].

    Args:
        rotation: in degrees, from x to y.
        right: of where it is shown, so many pixels, a value is taken; before the rotation.
        down: likewise.
        shear: in degrees.
        wide: so many times the distance along x; below 1 the image is enlarged.
        high: likewise along y.
        flip: left and right are exchanged, after all else.
    """
    rotation, shear = torch.deg2rad(rotation), torch.deg2rad(shear)
    cos, sin = torch.cos(rotation), torch.sin(rotation)
    flipped = torch.where(flip, -wide, wide)
    # rotation @ shift @ shear @ zoom, multiplied out
    x = cos * flipped, -torch.sin(rotation + shear) * high, cos * right - sin * down
    y = sin * flipped, torch.cos(rotation + shear) * high, sin * right + cos * down
    return torch.stack([torch.stack(x, 1), torch.stack(y, 1)], 1)


def warp(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Return images [samples, channels, height, width] under their maps.

    Between pixels values are interpolated linearly; outside of the image its nearest pixel counts.
    """
    height, width = images.shape[2:]
    x, y = (
        torch.arange(size, dtype=images.dtype, device=images.device) - (size - 1) / 2
        for size in (width, height)
    )
    by_x, by_y, shift = maps.to(images.dtype)[:, None, None].unbind(-1)  # each [samples, 1, 1, 2]
    taken = by_x * x.view(1, 1, -1, 1) + by_y * y.view(1, -1, 1, 1) + shift
    # grid_sample has the outer edges of the image at -1 and 1
    grid = taken * (2 / images.new_tensor([width, height]))
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
