"""`make lint` takes Snakemake's lints seriously, but for one."""

from envs.lint_workflow import unwanted

HEAD = "Lints for snakefile /somewhere/train.smk:\n"
FUNCTIONS = "    * Mixed rules and functions in same snakefile.:\n      Small one-liner ...\n"
OTHER = "    * No log directive defined:\n      Without a log directive ...\n"


def test_lints_that_count():
    assert unwanted("Congratulations, your workflow is in a good condition!\n") == []
    assert unwanted(HEAD + FUNCTIONS) == []
    assert unwanted(HEAD + FUNCTIONS + HEAD + OTHER) == ["No log directive defined"]
    assert unwanted("SyntaxError in file Snakefile, line 3:\n") is None
