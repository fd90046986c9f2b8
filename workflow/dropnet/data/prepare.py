"""Data set's configuration -> verified data set, and the record of where it came from."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dropnet.data import sources
from dropnet.data.dataset import Dataset, from_arrays, verify
from dropnet.errors import UserError


def prepare(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> tuple[Dataset, dict[str, Any]]:
    """Fetch, decode and verify data set `name`; returns it and a record for its provenance.

    `settings` is its part of config.yaml: `sources`, `classes`, `image`, `sha256`; a `sha256` of
    None takes the data as they are found. `log` gets a line for each source that is passed over.
    Raises UserError if no source is there, or the first is wrong.
    """
    expected = settings.get("sha256", "")
    pinned = expected is not None
    if pinned and not (isinstance(expected, str) and re.fullmatch(r"[0-9a-f]{64}", expected)):
        raise UserError(
            f"datasets.{name}.sha256: {expected!r} is not a SHA-256 of 64 hexadecimal digits;"
            f" `make checksum DATASET={name}` prints it"
        )
    dataset, fetched = _decode(name, settings, data_dir, log)
    with sources.blamed_on(name, fetched.source):
        try:
            actual = verify(dataset, expected) if pinned else dataset.checksum()
        except UserError as error:
            raise UserError(f"{', '.join(fetched.files)}: {error}") from None
    log(f"{name}: taken from {fetched.source}, SHA-256 {actual}{'' if pinned else ', not pinned'}")
    record = {"source": str(fetched.source), "files": fetched.files, "sha256": actual}
    return dataset, record | {"pinned": pinned}


def checksum(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> str:
    """SHA-256 of the data set as the first source that is there gives it, whatever is pinned."""
    dataset, fetched = _decode(name, settings, data_dir, log)
    log(f"{name}: taken from {fetched.source}")
    return dataset.checksum()


def _decode(
    name: str, settings: Mapping[str, Any], data_dir: Path, log: Callable[[str], None]
) -> tuple[Dataset, sources.Fetched]:
    entries = sources.parse(settings.get("sources"), f"datasets.{name}.sources")
    fetched = sources.fetch(name, entries, data_dir, log)
    with sources.blamed_on(name, fetched.source):
        classes: Any = settings.get("classes")  # checked by the data set
        listed = fetched.arrays.get("classes")
        if listed is not None and len(listed) != classes:
            raise UserError(
                f"classes: {classes} is not that of {', '.join(fetched.files)};"
                f" allowed: {len(listed)}"
            )
        dataset = from_arrays(name, classes, fetched.arrays)
        image = list(dataset.train_images.shape[1:])
        if settings.get("image", image) != image:
            raise UserError(
                f"image: {settings['image']} is not that of the files; allowed: {image}"
                " (channels, height, width)"
            )
        return dataset, fetched
