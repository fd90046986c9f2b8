"""Where networks are trained."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import torch

from dropnet.errors import UserError

PLACES = 64  # of jobs on one GPU; more than its memory has room for
#: The lock of the place that this process has taken; it ends with the process.
_held: list[IO[str]] = []


def find_device(wanted: str, precision: str = "float32", convolves: bool = True) -> torch.device:
    """Return the device for `auto`, `cpu`, `cuda` or `cuda:N`, and make its results repeatable.

    `auto` takes the GPU that the fewest jobs of this user on this machine have taken; but fully
    connected networks stay on the processor. A step of 15 of them took 0.37 ms on an H200 whatever
    their width, bound by launches, and takes 0.4 to 1.1 ms on one core, of which there are several.

    Args:
        wanted: `auto`, `cpu`, `cuda` or `cuda:N`.
        precision: of the settings.
        convolves: the networks have convolutions.

    Raises:
        UserError: if a GPU is asked for that is not there, or a precision that needs one.
    """
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = f"cuda:{_free_gpu(present)}" if present and convolves else "cpu"
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
        torch.backends.cudnn.conv.fp32_precision = rounding  # type: ignore[attr-defined]
        torch.backends.cuda.matmul.fp32_precision = rounding
    elif precision == "tf32":
        raise UserError(
            "config: precision: 'tf32' is a GPU's, and this job runs on the processor; allowed:"
            " float32, bfloat16"
        )
    return device


def _free_gpu(count: int) -> int:
    """Take a place on the GPU that has the fewest jobs, so that jobs side by side are spread."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace("/", "_")
    for place in range(PLACES):
        for number in range(count):
            name = f"dropnet-{os.getuid()}-gpus-{visible}-{number}-{place}.lock"
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
