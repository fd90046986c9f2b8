"""Where networks are trained."""

import fcntl
import logging
import os
import tempfile
import warnings
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO

import torch

from dropnet.errors import UserError
from dropnet.files.provenance import plain_name

logger = logging.getLogger("dropnet")
DRIVER = Path("/dev/nvidiactl")  # is there where NVIDIA's driver is
HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES that mean: no GPU
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
        UserError: if a GPU is asked for that is not there, or a precision that the device lacks.
    """
    present, trouble = _gpus()
    if wanted == "auto":
        if trouble and convolves:
            logger.warning("warning: device: auto: %s; this job trains on the processor", trouble)
        wanted = f"cuda:{_free_gpu(present)}" if present and convolves else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda":
        if (device.index or 0) >= present:
            raise UserError(
                f"config: device: {wanted!r} is not there: torch finds {present} GPUs on this"
                " machine; allowed: auto, cpu"
                + "".join(f", cuda:{number}" for number in range(present))
                + (f"; {trouble}" if trouble else "")
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
    elif precision == "bfloat16" and convolves and not sums_bfloat16():
        raise UserError(
            "config: precision: 'bfloat16' is not for this processor, which has no instructions for"
            " it: torch would round sums again and again; allowed: float32"
        )
    return device


def sums_bfloat16() -> bool:
    """Say whether convolutions in bfloat16 are summed in float32 on this processor, by oneDNN."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _gpus() -> tuple[int, str]:
    """Return how many GPUs torch can use, and why there is none although a driver is; "" if not."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if present or not DRIVER.exists() or (visible is not None and visible.strip() in HIDDEN):
        return present, ""
    reason = str(said[-1].message) if said else ""
    if torch.version.cuda is None:
        reason = "this torch is built without CUDA"
    reason = " ".join(reason.split())[:300] or "torch finds no GPU"
    return 0, f"an NVIDIA driver is here, but CUDA does not start ({reason})"


def _free_gpu(gpus: int) -> int:
    """Take a place on the GPU that has the fewest jobs, so that jobs side by side are spread.

    Where files cannot be locked, jobs are spread by the numbers of their processes.
    """
    # hashed, as it may be a list of any length; it says which GPUs the numbers stand for
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    among = sha256(f"{os.getuid()} {visible}".encode(errors="surrogateescape")).hexdigest()[:16]
    folder = Path(tempfile.gettempdir())
    try:
        for place in count():
            for number in range(gpus):
                if _take(folder / f"dropnet-gpus-{among}-{number}-{place}.lock"):
                    return number
    except OSError:
        pass
    return os.getpid() % gpus


def _take(path: Path) -> bool:
    """Lock a file until this process ends; False if another process has it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if isinstance(error, BlockingIOError):
            return False
        raise
    _held.append(file)
    return True


def name_of(device: torch.device) -> str:
    """Return what provenance calls a device: "cpu", or the name of the GPU."""
    return "cpu" if device.type == "cpu" else plain_name(torch.cuda.get_device_name(device))
