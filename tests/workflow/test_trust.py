"""Nothing foreign is trusted: files carry no code, and configured words are no commands.

That members of archives cannot leave their folder is tested with the sources that have archives
(data/test_sources.py, data/test_tiny_imagenet.py), and that a pickle of another checksum is never
loaded with its format (data/test_formats.py).
"""

import ast
import re

import pytest
import yaml

from helpers.project import ROOT, copy_project, snakemake

CODE = [*ROOT.glob("workflow/**/*.py"), *ROOT.glob("envs/*.py")]
RUNS_CODE = {  # calls that run what they are given, or may
    *("eval", "exec", "os.system", "os.popen", "subprocess.getoutput"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "joblib.load", "dill.load"),
    *("yaml.unsafe_load", "yaml.full_load", "shelve.open", "marshal.loads", "pd.read_pickle"),
}
KNOWN = {("cifar.py", "pickle.loads")}  # after the checksum of the official file


def calls(tree):
    """The dotted names of all calls, and whether they ask for a shell or for pickles."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            yield ast.unparse(node.func), options


def test_no_code_comes_out_of_a_file():
    assert len(CODE) > 40
    found = set()
    for file in CODE:
        for name, options in calls(ast.parse(file.read_text())):
            if name in RUNS_CODE:
                found.add((file.name, name))
            assert options.get("shell", "False") == "False", file
            assert options.get("allow_pickle", "False") == "False", file
            if name == "yaml.load":
                assert file.name == "yaml_files.py"  # with a loader that is a yaml.SafeLoader
    assert found == KNOWN


def test_every_value_is_quoted_before_it_reaches_a_shell():
    commands = 0
    for file in ROOT.glob("workflow/rules/*.smk"):
        for command in re.findall(r"^    shell:\n((?:        .*\n)+)", file.read_text(), re.M):
            commands += 1
            values = re.findall(r"\{[^{}]*\}", command)
            assert values, command
            assert [value for value in values if not value.endswith(":q}")] == [], file.name
    assert commands == 26


@pytest.mark.slow
def test_configured_words_are_not_commands(tmp_path):
    """Quotes, blanks and all that means something to a shell, wherever words are free."""
    folder = copy_project(tmp_path / "project")
    words = "x'; touch owned; \" $(touch owned) `touch owned` {scale} & | > owned #"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data_dir"] = words
    config["scales"]["tiny"]["note"] = words[:60]
    config["figures"]["mine"] |= {
        **{"experiment": "FC3-FC3", "methods": ["minimum"]},
        "title": words.replace("$", ""),  # $...$ is mathematics
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run = snakemake(folder, "figures/tiny/mine.png")
    assert run.returncode == 0, run.stdout
    assert (folder / "figures/tiny/mine.png").exists()
    assert not list(tmp_path.rglob("owned*"))
