"""Write the conda environments of the rules, with the versions of requirements.lock.

Usage, in .venv: python envs/pin_environments.py

Conda brings Python and pip only. Everything else comes from pip, in the very builds that
requirements.lock names, so that a rule computes the same numbers in either environment.
"""

import re
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).resolve().parent
LOCK = FOLDER.parent / "requirements.lock"

# What the scripts of the rules import. The configuration is read before, by the Snakefile.
TRAIN = (
    *("numpy", "pillow", "safetensors", "scikit-learn", "torch", "torchvision", "tqdm"),
    *("onnx", "onnxruntime", "onnxscript"),
)
PLOT = (
    *("jinja2", "jsonschema", "matplotlib", "numpy", "pandas", "pillow", "PyYAML"),
    *("scipy", "seaborn"),
)
ENVIRONMENTS = {
    "train": ("Data, training, pruning and export", TRAIN),
    "plot": ("Tables, claims and figures", PLOT),
}

TEMPLATE = """\
# {purpose}, under `snakemake --sdm conda`.
# Written by envs/pin_environments.py, with the versions of requirements.lock.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11.7
  - pip=23.2.1
  - pip:
{pins}
"""


def read_pins(lock: Path) -> dict[str, str]:
    """Return the version of each package in a lock file, by its canonical name."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def with_dependencies(packages: Iterable[str]) -> set[str]:
    """Return the packages and all that they need in turn, as installed here, by canonical name."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in packages]
    seen = set()
    while waiting:
        name, extras = step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        found.add(name)
        for requirement in map(Requirement, requires(name) or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras or {""}):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def describe_environment(name: str) -> str:
    """Return the content of envs/<name>.yaml."""
    purpose, packages = ENVIRONMENTS[name]
    pins = read_pins(LOCK)
    lines = [
        f"      - {package}=={pins[package]}" for package in sorted(with_dependencies(packages))
    ]
    return TEMPLATE.format(purpose=purpose, pins="\n".join(lines))


if __name__ == "__main__":
    for environment in ENVIRONMENTS:
        path = FOLDER / f"{environment}.yaml"
        path.write_text(describe_environment(environment), encoding="utf-8")
        print(f"wrote {path.relative_to(FOLDER.parent)}")
