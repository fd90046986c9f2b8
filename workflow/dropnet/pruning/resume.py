"""What an interrupted job has done so far, on disk: finished cycles, and the last epoch."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import torch

from dropnet.errors import UserError
from dropnet.files.artifacts import artifact, load_tensors, save_tensors
from dropnet.networks.cycle import Cycle
from dropnet.networks.cycle_files import load_cycles, save_cycles
from dropnet.networks.masks import Masks
from dropnet.training.train import Progression

SECONDS_BETWEEN_CHECKPOINTS = 5.0  # an epoch that takes longer is kept when it ends
SECONDS_TO_WAIT = 30.0  # for another process to let go of the folder
CANNOT_LOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


class FinishedCycles:
    """The finished cycles of a job that is not complete yet, one file each.

    One process at a time uses a folder: a second one, started because Snakemake was killed and its
    job was not, would do the same work again.

    Attributes:
        folder: where they lie; it survives the job.
        seconds: how long each cycle took to train, by its number.
    """

    def __init__(self, folder: str | Path, made_from: object) -> None:
        """Open the folder; cycles that were made from anything else do not count.

        Args:
            folder: may be missing.
            made_from: JSON of all that decides the numbers: settings, code, inputs, versions.

        Raises:
            UserError: if another process uses the folder.
        """
        self.folder = Path(folder)
        self.key = _digest(json.dumps(made_from, sort_keys=True).encode())
        self.seconds: dict[int, float] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("a+")
        _lock(self._lock, self.folder)

    def get(self, number: int, masks: Sequence[Masks]) -> Cycle | None:
        """Return a finished cycle, or None if it has to be trained."""
        path = self._path(number)
        if not path.exists():
            return None
        cycles, about = load_cycles(path)
        with artifact(path):
            (cycle,) = cycles
            key, seconds = about["key"], about["seconds"]
        if key != self.key or [n.masks for n in cycle.networks] != list(masks):
            path.unlink()  # made by other code, settings or inputs
            return None
        self.seconds[number] = seconds
        return cycle

    def put(self, cycle: Cycle, seconds: float) -> None:
        """Keep a cycle that was trained in so many seconds; its checkpoint is no longer needed."""
        self.seconds[cycle.number] = seconds
        save_cycles(self._path(cycle.number), [cycle], {"key": self.key, "seconds": seconds})
        self._checkpoint_path(cycle.number).unlink(missing_ok=True)

    def checkpoint(self, number: int, masks: Sequence[Masks]) -> "Checkpoint":
        """Return the checkpoint of a cycle of networks under these masks."""
        parts = [layer.numpy().tobytes() for mask in masks for layer in mask.layers]
        key = _digest(self.key.encode() + b"|".join(parts))
        return Checkpoint(self._checkpoint_path(number), key)

    def close(self) -> None:
        """Let other processes use the folder."""
        self._lock.close()

    def _path(self, number: int) -> Path:
        return self.folder / f"cycle{number}.safetensors"

    def _checkpoint_path(self, number: int) -> Path:
        return self.folder / f"epochs_of_cycle{number}.safetensors"


class Checkpoint:
    """The state of the networks of one cycle after the last epoch that was kept."""

    def __init__(self, path: Path, key: str) -> None:
        """Refer to a file that may be missing; one with another key does not count."""
        self.path, self.key = path, key
        self._started = self._last = time.monotonic()
        self._before = 0.0

    def load(self) -> Progression | None:
        """Return the state to go on from, or None to begin."""
        if not self.path.exists():
            return None
        tensors, record = load_tensors(self.path)
        with artifact(self.path):
            if record["key"] != self.key:
                self.path.unlink()
                return None
            self._before = record["seconds"]
            weights: list[dict[str, torch.Tensor]] = [{} for _ in record["epochs"]]
            for name, tensor in tensors.items():
                network, _, own = name.partition("/")
                weights[int(network)][own] = tensor
            return Progression(
                weights=weights,
                active=record["active"],
                epochs=record["epochs"],
                last_epoch=[tuple(numbers) for numbers in record["last_epoch"]],
                stoppings=[tuple(numbers) for numbers in record["stoppings"]],
            )

    @property
    def seconds(self) -> float:
        """How long the cycle has taken so far, interrupted attempts included."""
        return self._before + time.monotonic() - self._started

    def due(self) -> bool:
        """Whether so much time has passed since the last state was kept that the next one is."""
        return time.monotonic() - self._last >= SECONDS_BETWEEN_CHECKPOINTS

    def save(self, state: Progression) -> None:
        """Keep the state in the place of the one before."""
        tensors = {
            f"{network}/{name}": tensor
            for network, weights in enumerate(state.weights)
            for name, tensor in weights.items()
        }
        record = {
            "key": self.key,
            "seconds": self.seconds,
            "active": list(state.active),
            "epochs": list(state.epochs),
            "last_epoch": [list(numbers) for numbers in state.last_epoch],
            "stoppings": [list(numbers) for numbers in state.stoppings],
        }
        save_tensors(self.path, tensors, record)
        self._last = time.monotonic()


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _lock(file: TextIO, folder: Path) -> None:
    """Lock a file for this process; the lock ends with the process, however that ends."""
    give_up = time.monotonic() + SECONDS_TO_WAIT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= give_up:
                file.seek(0)
                other = file.read(200).strip() or "unknown"
                raise UserError(
                    f"{folder}: another process ({other}) works on this job, perhaps one left over"
                    " from a Snakemake that was killed; wait for it or stop it, then start again"
                ) from None
            time.sleep(0.2)
        except OSError as error:
            if error.errno not in CANNOT_LOCK:
                raise
            raise UserError(
                f"{folder}: that file system cannot lock files ({error.strerror}); mount it with"
                " locking (on Lustre: the option flock), or work in a copy elsewhere"
            ) from None
    file.truncate(0)
    file.write(f"{os.uname().nodename}, process {os.getpid()}\n")
    file.flush()
