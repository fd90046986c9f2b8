"""`snakemake --lint`, but for one of its opinions.

A function that one stage needs stands in the stage's file, which can so be read alone; Snakemake
would rather have all functions in a common file.
"""

import re
import subprocess
import sys

WANTED_OTHERWISE = "Mixed rules and functions in same snakefile."


def unwanted(output: str) -> list[str] | None:
    """Return the titles of the lints that count; None if Snakemake did not get so far."""
    if "Lints for " not in output:
        return [] if "Congratulations" in output else None
    titles = re.findall(r"^ +\* (.+?):?$", output, re.MULTILINE)
    return [title for title in titles if title != WANTED_OTHERWISE]


if __name__ == "__main__":
    command = [sys.executable, "-m", "snakemake", "--lint"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = unwanted(run.stdout + run.stderr)
    if found is None or found:
        sys.exit(run.stdout + run.stderr)
