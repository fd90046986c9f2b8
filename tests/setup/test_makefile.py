"""The targets of the Makefile: what they call, and what they say before any set-up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def make(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"SCALE", "CORES", "TARGETS", "DATASET", "PYTHON", "MAKEFLAGS", "MAKELEVEL"}
    }
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=REPOSITORY,
        env=inherited | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def planned(*arguments: str) -> list[str]:
    """The commands that make would run, without the PATH they run with."""
    result = make("-n", *arguments)
    assert result.returncode == 0, result.stderr
    prefix = f'PATH="{REPOSITORY}/.venv/bin:$PATH" XDG_CACHE_HOME="{REPOSITORY}/.snakemake/cache" '
    return [line.removeprefix(prefix).rstrip() for line in result.stdout.splitlines()]


SIDE_BY_SIDE = "--numprocesses 3 --dist loadgroup"
SET_UP = "envs/create_venv.sh .venv requirements.lock 7 3"


@pytest.mark.parametrize(
    ("arguments", "commands"),
    [
        (["figures"], [".venv/bin/snakemake  --cores 'all'"]),
        (
            ["figures", "SCALE=paper", "CORES=8", "TARGETS=figures/paper/fig03.png"],
            [".venv/bin/snakemake 'figures/paper/fig03.png' --cores '8' --config 'scale=paper'"],
        ),
        (
            ["figures", "SCALE=paper", "SEEDS=3"],
            [".venv/bin/snakemake  --cores 'all' --config 'scale=paper' 'seeds=3'"],
        ),
        (
            ["report", "SEEDS=3"],
            [".venv/bin/snakemake report --cores 'all' --config 'seeds=3'"],
        ),
        (
            ["example"],
            [
                "env -u PIP_USER -u PIP_TARGET .venv/bin/python -m pip install -qq --no-input"
                " --no-cache-dir \\",
                "    --disable-pip-version-check --no-deps --require-hashes"
                " --requirement requirements-own-model.lock",
                ".venv/bin/snakemake results/data/CIFAR-10.safetensors --cores 1 --quiet all",
                ".venv/bin/python examples/own_model.py",
            ],
        ),
        (["test"], [f".venv/bin/pytest {SIDE_BY_SIDE}"]),
        (["quick"], [f".venv/bin/pytest {SIDE_BY_SIDE} -m 'not slow'"]),
        (
            ["status", "SCALE=paper"],
            [".venv/bin/python workflow/scripts/show_status.py --scale 'paper'"],
        ),
        (
            ["status", "SCALE=paper", "SEEDS=3"],
            [".venv/bin/python workflow/scripts/show_status.py --scale 'paper' --seeds '3'"],
        ),
        (
            ["status", "SCALE=a'; touch b; 'c"],
            [
                ".venv/bin/python workflow/scripts/show_status.py"
                r" --scale 'a'\''; touch b; '\''c'"
            ],
        ),
        (["status"], [".venv/bin/python workflow/scripts/show_status.py"]),
        (
            ["checksum", "DATASET=CIFAR-10"],
            [".venv/bin/python workflow/scripts/prepare_dataset.py --checksum 'CIFAR-10'"],
        ),
        (
            ["publish", "SCALE=paper"],
            [
                ".venv/bin/python workflow/scripts/publish_results.py --scale 'paper'",
                ".venv/bin/python workflow/scripts/update_pages.py",
            ],
        ),
    ],
)
def test_a_target_sets_up_first(arguments: list[str], commands: list[str]) -> None:
    assert planned(*arguments) == [SET_UP, *commands]


@pytest.mark.parametrize(("target", "variable"), [("checksum", "DATASET"), ("publish", "SCALE")])
def test_a_target_says_what_it_lacks_before_any_setup(target: str, variable: str) -> None:
    result = make(target)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert f"{variable} is missing, as in: make {target} {variable}=" in result.stderr


def test_help_is_the_default_and_lists_every_target() -> None:
    result = make()
    assert (result.returncode, result.stdout) == (0, make("help").stdout)
    listed = " ".join(line.split()[0] for line in result.stdout.splitlines()[1:])
    wanted = "help figures report own-model example test quick bench bench-gpu scaling"
    wanted += " status unlock lint checksum publish pages clean"
    assert listed == wanted


def test_the_interpreter_reaches_the_setup_and_its_failure_stops_the_target(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    shutil.copytree(REPOSITORY / "envs", tmp_path / "envs")
    (tmp_path / "requirements.lock").write_text("torch==1.0\n")
    result = make("-C", str(tmp_path), "test", "PYTHON=no-such-python")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: no no-such-python found")


def test_clean_keeps_what_a_run_made(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    kept = [
        "data/MNIST",
        "results/paper",
        "figures/paper",
        ".snakemake/metadata",
        "published/paper",
    ]
    removed = [".venv/lib", ".venv-keras/lib", ".ruff_cache/x", "workflow/dropnet/__pycache__"]
    for folder in kept + removed:
        (tmp_path / folder).mkdir(parents=True)
    assert make("-C", str(tmp_path), "clean").returncode == 0
    assert [folder for folder in kept + removed if (tmp_path / folder).exists()] == kept


def test_targets_run_one_after_the_other_and_need_no_home(tmp_path: Path) -> None:
    """Two runs of Snakemake would collide on its lock; its cache would be in the home folder."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for name, program in {
        "envs/create_venv.sh": "#!/bin/sh\n",
        ".venv/bin/snakemake": (
            "#!/bin/sh\n"
            "mkdir lock && mkdir -p $XDG_CACHE_HOME/snakemake && sleep 0.2 && rmdir lock\n"
        ),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(program)
        path.chmod(0o755)
    result = make("-C", str(tmp_path), "-j2", "figures", "report", HOME="/proc")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / ".snakemake/cache/snakemake").is_dir()
