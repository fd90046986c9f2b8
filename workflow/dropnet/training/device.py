"""Where networks are trained."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import torch

from dropnet.errors import UserError

_held: list[
    IO[str]
] = []  # the lock of the GPU that this process has taken; it ends with the process


def find_device(wanted: str, precision: str = "float32") -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`, and make its results repeatable.

    `auto` takes a GPU that no other job of this user on this machine has taken, the first one if
    all are.

    Raises:
        UserError: if a GPU is asked for that is not there, or a precision that needs one.
    """
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = f"cuda:{_free_gpu(present)}" if present else "cpu"
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
        # float32 means float32, unless the settings ask for less
        rounding = "tf32" if precision == "tf32" else "ieee"
        torch.backends.cudnn.conv.fp32_precision = rounding
        torch.backends.cuda.matmul.fp32_precision = rounding
    elif precision == "tf32":
        raise UserError(
            "config: precision: 'tf32' is a GPU's, and this job runs on the processor; allowed:"
            " float32, bfloat16"
        )
    return device


def _free_gpu(count: int) -> int:
    """Take the first GPU that is free, so that jobs side by side have one each."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace("/", "_")
    for number in range(count):
        name = f"dropnet-{os.getuid()}-gpus-{visible}-{number}.lock"
        file = (Path(tempfile.gettempdir()) / name).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _held.append(file)
        return number
    return 0


def name_of(device: torch.device) -> str:
    """Return what provenance calls a device: "cpu", or the name of the GPU."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
