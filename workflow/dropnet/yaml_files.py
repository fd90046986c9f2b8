"""YAML files that people write: read, and checked for their shape, more strictly than usual."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.protocols import Validator

from dropnet.errors import UserError


class _Loader(yaml.SafeLoader):
    """YAML, but a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise UserError(
                f"line {node.start_mark.line + 1}: the key {twice!r} is given twice;"
                " allowed: each key once"
            )
        return super().construct_mapping(node, deep)


def read(path: str | Path) -> Any:
    """Read a file of keys and values without checking what it says.

    Raises UserError if it is missing, not YAML, has no keys, or gives one twice.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run this in the project's folder") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {error}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: has no keys; allowed: those of the file that came with it")
    return content


@cache
def strict_validator(schema: Path) -> Validator:
    """Return a schema's validator, stricter than JSON Schema where Python would stumble later."""
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,  # JSON Schema also admits 3.0
            "number": lambda _, value: (
                type(value) is int or (type(value) is float and math.isfinite(value))
            ),
        }
    )
    strict = validators.extend(Draft202012Validator, type_checker=types)
    return strict(yaml.safe_load(schema.read_text(encoding="utf-8")))
