"""JSON that has to have a shape: a file of workflow/schemas says which."""

import reprlib
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match

from dropnet.files.artifacts import AGAIN, artifact, read_json
from dropnet.files.code_files import WORKFLOW
from dropnet.files.yaml_files import strict_validator


def read_valid_json(path: str | Path, schema: str, mend: str = AGAIN) -> dict[str, Any]:
    """Read what `write_json` wrote, if it has a shape.

    Args:
        path: of the file.
        schema: the name of its schema, without .schema.yaml.
        mend: what to do about a file that is damaged.

    Raises UserError, with the place in it, if it has another, and as `read_json` does.
    """
    content = read_json(path, mend=mend)
    with artifact(path, mend):
        validator = strict_validator(WORKFLOW / "schemas" / f"{schema}.schema.yaml")
        error = best_match(validator.iter_errors(content))
        if error is not None:
            place = error.json_path.removeprefix("$").removeprefix(".")
            # which begins with the value, however long that is
            said = error.message.replace(repr(error.instance), reprlib.repr(error.instance))
            raise ValueError(f"{place}: {said}" if place else said)
    return content
