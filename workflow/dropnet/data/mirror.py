"""A process of its own that downloads a data set from its official mirrors, by torchvision.

`python mirror.py CLASS FOLDER` is started by `sources.py`, which watches the folder grow and ends
this process when nothing comes: torchvision itself has no time limit, and a name server or mirror
that never answers would hold a whole run. The outcome is FOLDER/result.json, the arrays are .npy
files beside it.
"""

import hashlib
import json
import socket
import sys
from http.client import HTTPException
from pathlib import Path
from typing import Any

STARTED = "started"  # this file says that the imports are done and the download begins
RESULT = "result.json"
CONNECT_SECONDS = 5.0  # for each address of a mirror, and between two packets


def official_sums(dataset_class: Any) -> dict[str, str]:
    """MD5 of the files that a torchvision class downloads, by name, as far as it lists them."""
    sums = dict(getattr(dataset_class, "resources", []))
    if hasattr(dataset_class, "tgz_md5"):
        sums[dataset_class.filename] = dataset_class.tgz_md5
    return sums


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()


def _downloaded(dataset_class: Any, folder: Path) -> dict[str, Path]:
    """The files that were downloaded, whole or not, by name."""
    names = official_sums(dataset_class)
    return {path.name: path for path in sorted(folder.rglob("*")) if path.name in names}


def _damaged(dataset_class: Any, folder: Path) -> str:
    """Tell of the first download that is not the official file; '' if there is none."""
    sums = official_sums(dataset_class)
    for name, path in _downloaded(dataset_class, folder).items():
        actual = _digest(path, "md5")
        if actual != sums[name]:
            return f"{name}: not the official file: its MD5 is {actual}, expected {sums[name]}"
    return ""


def _save_arrays(part: str, loaded: Any, folder: Path) -> None:
    """Save the arrays of a torchvision data set: uint8 [n, channels, height, width] and [n]."""
    import numpy as np

    images, labels = np.asarray(loaded.data), np.asarray(loaded.targets)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] == 3:
        images = images.transpose(0, 3, 1, 2)
    if images.dtype != np.uint8 or labels.min() < 0 or labels.max() > 255:
        raise TypeError("its images or labels do not fit into bytes")
    np.save(folder / f"{part}_images.npy", np.ascontiguousarray(images))
    np.save(folder / f"{part}_labels.npy", labels.astype(np.uint8))


def download(name: str, folder: Path) -> dict[str, Any]:
    """Download and decode class `name` of torchvision.datasets; returns what result.json says.

    {"files": {name: sha256}} if it worked, {"unavailable": reason} if no mirror could be reached,
    {"wrong": reason} if one gave something else than the official files, or the class is unusable.
    """
    try:
        from torchvision import datasets
    except ImportError as error:
        return {"unavailable": f"torchvision cannot be imported ({error})"}
    dataset_class = getattr(datasets, name, None)
    if not isinstance(dataset_class, type):
        return {"wrong": f"torchvision.datasets has no class {name!r}"}
    root = folder / "download"
    socket.setdefaulttimeout(CONNECT_SECONDS)
    (folder / STARTED).touch()
    try:
        for part in ("train", "test"):
            _save_arrays(part, dataset_class(root, train=part == "train", download=True), folder)
    except OSError as error:
        return {"unavailable": str(error) or type(error).__name__}
    except (RuntimeError, HTTPException) as error:
        # torchvision says "corrupted" and "unreachable" in one type; the files tell them apart
        damaged = _damaged(dataset_class, root)
        return {"wrong": damaged} if damaged else {"unavailable": str(error)}
    except (TypeError, AttributeError) as error:
        return {"wrong": f"torchvision's class {name} is not of a kind that can be used ({error})"}
    paths = _downloaded(dataset_class, root)
    return {"files": {name: _digest(path, "sha256") for name, path in paths.items()}}


def main(name: str, folder: Path) -> None:
    """Download, and leave the outcome in the folder."""
    (folder / RESULT).write_text(json.dumps(download(name, folder)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
