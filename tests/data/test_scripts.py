"""The scripts of the data stage, as the workflow calls them: results, messages, no leftovers."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.model_selection import train_test_split

from dropnet.data.dataset import Dataset, from_arrays
from dropnet.data.formats import FORMATS
from dropnet.data.split import Split
from helpers import processes
from helpers.data_files import (
    FIXTURE,
    FIXTURE_SHA256,
    assert_same,
    idx_files,
    make_arrays,
    tree,
    write_files,
)

pytestmark = pytest.mark.slow

WORKFLOW = Path(__file__).parents[2] / "workflow"
SETTINGS = {
    "classes": 10,
    "sha256": FIXTURE_SHA256,
    "sources": [{"folder": str(FIXTURE), "format": "idx"}],
}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a script in an empty folder, with its own temporary one."""
    work = tmp_path / "work"
    (work / "temporary").mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(WORKFLOW),
        "TMPDIR": str(work / "temporary"),
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }

    def run(name, *words):
        command = [sys.executable, str(WORKFLOW / "scripts" / f"{name}.py"), *map(str, words)]
        return processes.start(command, cwd=work, env=environment)

    run.work = work
    return run


def prepare(start, settings=SETTINGS, name="digits"):
    text = settings if isinstance(settings, str) else json.dumps(settings)
    process = start(
        *("prepare_dataset", "--name", name, "--settings", text, "--data-dir", "data"),
        *("--output", "results/data.safetensors", "--provenance", "results/data.json"),
    )
    return process, *process.communicate()


def assert_refused(start, process, errors, message):
    """The script failed with one line of error, and left nothing but what was there before."""
    assert process.returncode == 1
    assert [line for line in errors.splitlines() if line.startswith("error: ")] == [
        errors.splitlines()[-1]
    ]
    assert "Traceback" not in errors
    assert message in errors.splitlines()[-1]
    assert not (start.work / "results").exists()
    assert list((start.work / "temporary").iterdir()) == []


def test_a_data_set_is_prepared_with_its_provenance(start):
    process, output, errors = prepare(start)
    assert process.returncode == 0, errors
    assert (output, errors) == (
        "",
        f"digits: taken from folder {FIXTURE}, SHA-256 {FIXTURE_SHA256}\n",
    )
    data = Dataset.load(start.work / "results" / "data.safetensors")
    arrays, paths = FORMATS["idx"].decode(FIXTURE)
    assert_same({name: tensor.numpy() for name, tensor in data.tensors.items()}, arrays)
    assert data.name == "digits"
    provenance = json.loads((start.work / "results" / "data.json").read_text())
    assert provenance["settings"] == {"digits": SETTINGS}
    assert provenance["data"]["source"] == f"folder {FIXTURE}"
    assert provenance["data"]["sha256"] == FIXTURE_SHA256
    assert set(provenance["data"]["files"]) == {path.name for path in paths}
    assert {path.name for path in tree(start.work)} == {"data.safetensors", "data.json"}


def test_a_data_set_of_ones_own_needs_only_its_configuration(start):
    arrays = make_arrays(shape=(3, 5, 4), classes=4)
    write_files(start.work / "data" / "own", idx_files(arrays))
    sha256 = from_arrays("own", 4, arrays).checksum()
    own = {"classes": 4, "sha256": sha256, "sources": [{"folder": "own", "format": "idx"}]}
    process, _, errors = prepare(start, own)
    assert process.returncode == 0, errors
    assert Dataset.load(start.work / "results" / "data.safetensors").image_shape == (3, 5, 4)


def test_another_checksum_is_refused_and_nothing_is_kept(start):
    process, _, errors = prepare(start, {**SETTINGS, "sha256": "0" * 64})
    message = (
        f"error: digits: folder {FIXTURE}: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,"
        " t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz: wrong checksum: the SHA-256 of the"
        f" arrays is {FIXTURE_SHA256}, expected {'0' * 64}; mend or empty the folder"
    )
    assert_refused(start, process, errors, message)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_damaged_file_is_refused_and_nothing_is_kept(start, name):
    arrays = make_arrays()
    files = idx_files(arrays)
    sha256 = from_arrays("own", 10, arrays).checksum()
    own = {"classes": 10, "sha256": sha256, "sources": [{"folder": "own", "format": "idx"}]}
    changed = bytearray(files[name])
    changed[-1] ^= 1
    for content, message in [
        (bytes(changed), f"expected {sha256}"),
        (files[name][:-1], f"digits: folder own: {name}: truncated"),
    ]:
        write_files(start.work / "data" / "own", {**files, name: content})
        assert_refused(start, *prepare(start, own)[::2], message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{", "--settings: not valid JSON"),
        ("[]", "--settings: expected an object"),
        ({**SETTINGS, "sha256": "ABC"}, "datasets.digits.sha256: 'ABC' is not a SHA-256"),
        ({**SETTINGS, "sha256": ""}, "`make checksum DATASET=digits` prints it"),
        ({**SETTINGS, "sources": []}, "datasets.digits.sources: expected a list"),
        (
            {**SETTINGS, "sources": [{"folder": "a", "format": "x"}]},
            "digits.sources[0].format: 'x'",
        ),
        ({**SETTINGS, "sources": [{"folder": "a", "format": "idx"}]}, "no source is within reach"),
        ({**SETTINGS, "classes": 9}, "hold the label 9, allowed with 9 classes: 0 to 8"),
        ({**SETTINGS, "classes": "10"}, "classes: '10' is not allowed"),
    ],
)
def test_settings_that_cannot_be_are_refused(start, settings, message):
    assert_refused(start, *prepare(start, settings)[::2], message)


def test_a_cancelled_job_ends_its_download_and_leaves_nothing(start, tmp_path):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    pid_file = tmp_path / "pid"
    npm.write_text(
        f"#!/bin/sh\necho $$ > {pid_file}.new\nmv {pid_file}.new {pid_file}\nsleep 3600\n"
    )
    npm.chmod(0o755)
    settings = {**SETTINGS, "sources": [{"npm": "some-data@1.2.3", "format": "idx"}]}
    process = start(
        *("prepare_dataset", "--name", "digits", "--settings", json.dumps(settings)),
        *("--data-dir", "data", "--output", "data", "--provenance", "provenance"),
    )
    while not pid_file.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert tree(start.work) == {}
    assert list((start.work / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_images_of_another_size_than_configured_are_refused(start):
    settings = {**SETTINGS, "image": [3, 28, 28]}
    message = "image: [3, 28, 28] is not that of the files; allowed: [1, 28, 28]"
    assert_refused(start, *prepare(start, settings)[::2], message)


def test_the_checksum_to_pin_is_printed(start):
    own = {"classes": 10, "sources": [{"folder": FIXTURE.name, "format": "idx"}]}
    config = {"data_dir": str(FIXTURE.parent), "datasets": {"digits": own}}
    (start.work / "config.yaml").write_text(yaml.safe_dump(config))
    process = start("prepare_dataset", "--checksum", "digits")
    assert process.communicate() == (
        f"{FIXTURE_SHA256}\n",
        f"digits: taken from folder {FIXTURE.name}\n",
    )
    assert process.returncode == 0

    for name, content, message in [
        ("digit", config, "datasets.digit: not in config.yaml (did you mean 'digits'?)"),
        ("digits", {"datasets": None}, "config.yaml: not a configuration with `datasets`"),
        ("digits", [], "config.yaml: has no keys"),
    ]:
        (start.work / "config.yaml").write_text(yaml.safe_dump(content))
        process = start("prepare_dataset", "--checksum", name)
        assert_refused(start, process, process.communicate()[1], message)


def test_options_belong_together(start):
    process = start("prepare_dataset", "--name", "digits")
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert "missing: --settings, --data-dir, --output, --provenance (or --checksum NAME)" in errors


@pytest.mark.parametrize("count", ["all", "300"])
def test_a_data_set_is_split(start, count):
    arrays, _ = FORMATS["idx"].decode(FIXTURE)
    from_arrays("digits", 10, arrays).save(start.work / "data.safetensors")
    process = start(
        *("split_dataset", "--dataset", "data.safetensors"),
        *("--train-images", count, "--output", "results/split.safetensors"),
    )
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    labels = arrays["train_labels"][: None if count == "all" else int(count)]
    expected = train_test_split(
        np.arange(len(labels)), test_size=0.1, stratify=labels, random_state=42
    )
    split = Split.load(start.work / "results" / "split.safetensors")
    assert torch.equal(split.train, torch.from_numpy(expected[0]))
    assert torch.equal(split.validation, torch.from_numpy(expected[1]))


@pytest.mark.parametrize(
    ("count", "message"),
    [
        ("601", "digits: train_images: 601 is not allowed, the training set has 1 to 600"),
        ("some", "--train-images: 'some' is not allowed, only `all` or a number"),
        ("-5", "--train-images: '-5' is not allowed"),
    ],
)
def test_a_split_that_cannot_be_is_refused(start, count, message):
    arrays, _ = FORMATS["idx"].decode(FIXTURE)
    from_arrays("digits", 10, arrays).save(start.work / "data.safetensors")
    process = start(
        *("split_dataset", "--dataset", "data.safetensors"),
        *(f"--train-images={count}", "--output", "results/split.safetensors"),
    )
    assert_refused(start, process, process.communicate()[1], message)


def test_a_split_without_a_rare_class_in_its_validation_says_so(start):
    arrays = make_arrays(train=1003, classes=2)
    arrays["train_labels"][-3:] = 2
    from_arrays("rare", 10, arrays).save(start.work / "data.safetensors")
    process = start(
        *("split_dataset", "--dataset", "data.safetensors"),
        *("--train-images", "all", "--output", "results/split.safetensors"),
    )
    assert process.communicate()[1] == (
        "warning: rare: train_images: 1003: 101 validation images: 1 of 3 classes are missing (2)\n"
    )
    assert process.returncode == 0


def test_a_split_of_something_else_is_refused(start):
    process = start(
        *("split_dataset", "--dataset", "absent.safetensors"),
        *("--train-images", "all", "--output", "results/split.safetensors"),
    )
    assert_refused(start, process, process.communicate()[1], "absent.safetensors: not a readable")
