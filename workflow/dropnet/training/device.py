"""Where networks are trained."""

import torch

from dropnet.errors import UserError


def find_device(wanted: str) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`, and make its results repeatable.

    Raises:
        UserError: if a GPU is asked for that is not there.
    """
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = "cuda" if present else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda":
        if (device.index or 0) >= present:
            raise UserError(
                f"config: device: {wanted!r} is not there: torch finds {present} GPUs on this"
                " machine; allowed: auto, cpu"
                + "".join(f", cuda:{number}" for number in range(present))
            )
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32
    return device


def name_of(device: torch.device) -> str:
    """Return what provenance calls a device: "cpu", or the name of the GPU."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
