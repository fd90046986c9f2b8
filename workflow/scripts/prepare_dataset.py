"""Fetch a data set from the first source within reach, verify it and write it as one file.

With `--checksum NAME` it prints the sum to pin as `sha256` in config.yaml instead.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from dropnet.data.prepare import checksum, prepare
from dropnet.errors import UserError, exit_on_user_error, nearest
from dropnet.files.artifacts import write_json
from dropnet.files.provenance import Moment, collect


def parse_arguments() -> argparse.Namespace:
    """Read the command line; the rule's options belong together, and exclude --checksum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checksum", metavar="NAME", help="print the checksum of this data set")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="for --checksum")
    parser.add_argument("--name")
    parser.add_argument("--settings", help="the data set's part of the configuration, as JSON")
    parser.add_argument("--data-dir", type=Path, help="folder that folder sources are relative to")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--provenance", type=Path)
    arguments = parser.parse_args()
    rule = ("name", "settings", "data_dir", "output", "provenance")
    missing = [f"--{name.replace('_', '-')}" for name in rule if getattr(arguments, name) is None]
    if missing and not arguments.checksum:
        parser.error(f"missing: {', '.join(missing)} (or --checksum NAME)")
    return arguments


def log(line: str) -> None:
    """Tell the user something that is not the result."""
    print(line, file=sys.stderr, flush=True)


def print_checksum(name: str, config_path: Path, data_dir: Path | None) -> None:
    """Print the checksum of a data set that config.yaml describes."""
    from dropnet.files.yaml_files import read

    config = read(config_path)
    datasets, folder = config.get("datasets"), config.get("data_dir", "data")
    if not isinstance(datasets, dict) or not isinstance(folder, str):
        raise UserError(f"{config_path}: not a configuration with `datasets` and a `data_dir`")
    if not isinstance(datasets.get(name), dict):
        raise UserError(f"datasets.{name}: not in {config_path}{nearest(name, datasets)}")
    print(checksum(name, datasets[name], data_dir or Path(folder), log))


def main() -> None:
    """Do what the command line says."""
    started = Moment.now()
    arguments = parse_arguments()
    if arguments.checksum:
        print_checksum(arguments.checksum, arguments.config, arguments.data_dir)
        return
    try:
        settings = json.loads(arguments.settings)
    except ValueError as error:
        raise UserError(f"--settings: not valid JSON ({error})") from None
    if not isinstance(settings, dict):
        raise UserError("--settings: expected an object with sources, classes and sha256")
    dataset, record = prepare(arguments.name, settings, arguments.data_dir, log)
    provenance = collect({arguments.name: settings}, [], started) | {"data": record}
    dataset.save(arguments.output)
    write_json(arguments.provenance, provenance)


if __name__ == "__main__":
    # a job that is cancelled must still end its downloads and remove its temporary folder
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with exit_on_user_error():
        main()
