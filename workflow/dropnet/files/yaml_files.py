"""YAML files that people write: read, and checked for their shape, more strictly than usual."""

import math
from collections.abc import Hashable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.protocols import Validator

from dropnet.errors import UserError

LONGEST = 3_000  # characters of a value; Python does not print integers of 4,300 digits
LARGEST = 100_000  # values of a file, with those that its aliases (*name) repeat


class _Loader(yaml.SafeLoader):
    """YAML, but a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the parent does. Raises UserError if a key is given twice."""
        seen = set()
        for key in (key for key, _ in node.value if _is_plain_key(key)):
            if key.value in seen:
                raise UserError(
                    f"line {key.start_mark.line + 1}: the key {key.value!r} is given twice;"
                    " allowed: each key once"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _is_plain_key(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge"


def read(path: str | Path) -> Any:
    """Read a file of keys and values without checking what it says.

    Raises UserError if it is missing, not YAML, has no keys, gives one twice, or is so built that
    working with it could take forever.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise UserError(f"{path}: not a file; allowed: a YAML file")
    try:
        content = _content(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run this in the project's folder") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not YAML: nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{path}: not YAML: {_marked(error)}") from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        # a date that does not exist, a tag that its value does not fit
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: has no keys; allowed: those of the file that came with it")
    return content


def _marked(error: yaml.MarkedYAMLError) -> str:
    """Where YAML stumbled, and over what; without the text, and its arrow in a line of its own."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return where + " ".join(" ".join(filter(None, (error.context, error.problem))).split())


def _content(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _measure(node: yaml.Node, sizes: dict[int, int | None]) -> int:
    """Count a node's values, those of aliases as often as they stand for them.

    Raises UserError if there are too many, if they contain themselves, or are no text.
    """
    line = f"line {node.start_mark.line + 1}"
    if id(node) in sizes:
        size = sizes[id(node)]
        if size is None:
            raise UserError(f"{line}: the value contains itself; allowed: values that end")
        return size
    sizes[id(node)] = None
    if isinstance(node, yaml.ScalarNode):
        size = 1
        if len(node.value) > LONGEST:
            raise UserError(f"{line}: a value of more than {LONGEST:,} characters")
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            raise UserError(f"{line}: {node.value!r} is not text (half of a surrogate pair)")
    else:
        parts = node.value if isinstance(node, yaml.SequenceNode) else chain(*node.value)
        size = 1 + sum(_measure(part, sizes) for part in parts)
    if size > LARGEST:
        raise UserError(f"{line}: more than {LARGEST:,} values, those repeated by aliases too")
    sizes[id(node)] = size
    return size


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
