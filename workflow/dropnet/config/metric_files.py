"""Files of metrics: refused in one line before the first job if no metric can come of one.

Metrics are imported where torch is, in the jobs. So a file is read here, and imported on trial, in
a process of its own, only if reading it does not show that this succeeds: torch takes a second.
"""

import ast
import builtins
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dropnet.config.methods import VARIANTS
from dropnet.errors import UserError
from dropnet.files.code_files import WORKFLOW
from dropnet.metrics import FOLDER, GRADIENTS, NETWORKS, networks_in
from dropnet.tables.runs import BASELINE

#: What a metric may import without being tried.
KNOWN = {
    *("math", "torch", "typing.Any", "collections.abc.Sequence"),
    *("dropnet.networks.cycle.Statistics", "dropnet.networks.cycle.Weights"),
    *("dropnet.networks.masks.Masks", "dropnet.training.removal.losses_without_each"),
    *("dropnet.training.gathering.Observation", "dropnet.training.gathering.Trained"),
    *("dropnet.training.gathering.Gathered", "dropnet.training.gathering.observations"),
    "dropnet.training.gathering.network_of",
    *("dropnet.training.operations.Convolution", "dropnet.training.operations.Nodes"),
    *("dropnet.training.operations.Operation", "dropnet.training.operations.operations_of"),
    *("dropnet.networks.steps.weighted_steps", "dropnet.randomness.generator"),
    *("dropnet.metrics._damped.damped_inverse", "torch.nn.functional", "collections.abc.Iterator"),
}
SECONDS = 120  # an import on trial may take; that of torch from a slow disk is far below
LONGEST = 300  # characters of what it says
FUNCTIONS = ("importance", "gather", "measure")  # that a metric may have, the first must
ALLOWED = "'labels', 'predictions', or no such line"
_TRIAL = f"""
import importlib.util, inspect, sys
try:
    spec = importlib.util.spec_from_file_location("metric_on_trial", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in {FUNCTIONS}:
        if name in ("importance", *vars(module)) and not callable(getattr(module, name)):
            raise TypeError(f"its `{{name}}` is no function")
        if hasattr(module, name):
            try:
                inspect.signature(getattr(module, name)).bind(None)
            except TypeError as error:
                raise TypeError(f"its `{{name}}` does not take one argument: {{error}}") from None
    asked = getattr(module, "GRADIENTS", None)
    if asked not in (None, *{GRADIENTS}):
        raise ValueError(f"GRADIENTS: {{asked!r}} is not allowed; allowed: {ALLOWED}")
except BaseException as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


@cache  # they do not change while a workflow is read
def check_metrics(folder: Path = FOLDER) -> None:
    """Check all files of metrics.

    Raises:
        UserError: if one has a name that is taken, is no Python, has no function `importance`,
            cannot be imported, or asks for gradients that there are none of.
    """
    for file in sorted(folder.glob("*.py")):
        if not file.name.startswith("_"):
            _check_name(file)
            _check_code(file)


def _check_name(file: Path) -> None:
    """Refuse names that a path or another method has."""
    ends = ("layer", *VARIANTS)
    taken = file.stem == BASELINE or re.search(rf"_({'|'.join(ends)}|p\d.*)$", file.stem)
    if taken or not re.fullmatch(r"[a-z][a-z0-9_]*", file.stem):
        raise UserError(
            f"{file}: {file.stem!r} is not allowed as the name of a metric; allowed: small letters,"
            f" digits and _, but not {BASELINE}, and none of"
            f" {', '.join(f'_{end}' for end in ends)} and _p1 at the end"
        )


def _check_code(file: Path) -> None:
    """Refuse what is no Python, has no `importance`, or fails when it is imported."""
    try:
        code = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); needed: a file") from None
    try:
        tree = ast.parse(code, str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        message = error.msg if isinstance(error, SyntaxError) else error
        raise UserError(f"{file}{line}: no Python ({message})") from None
    if "importance" not in _names(tree):
        raise UserError(
            f"{file}: has no function `importance`; needed: one that takes the statistics and"
            " returns one score for each remaining node, as in minimum.py"
        )
    said = [
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if node.id in ("NETWORKS", "NETWORK")
    ]
    networks = networks_in(tree)
    wrong = ""
    if said and (said != ["NETWORKS"] or networks is None):
        wrong = "wanted is one line NETWORKS = ..., on its own"
    elif networks and not (isinstance(networks, ast.Constant) and networks.value in NETWORKS):
        wrong = f"{ast.unparse(networks)[:LONGEST]} is not allowed"
    if wrong:
        raise UserError(
            f"{file}: NETWORKS: {wrong}; allowed: {', '.join(map(repr, NETWORKS))}, or no such line"
        )
    if not all(map(_is_harmless, tree.body)) and find_spec("torch"):
        _try(file)


def _names(tree: ast.AST) -> Iterator[str]:
    """The names that a file has after its import, as far as reading can tell."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
                continue  # names within are its own
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
        yield from _names(node)


def _is_harmless(statement: ast.stmt) -> bool:
    """Say whether a statement of a file cannot fail when the file is imported."""
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="GRADIENTS")], value=ast.Constant(value=asked)):
            return asked in GRADIENTS
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant()):
            return name not in FUNCTIONS
        case ast.Import(names=names):
            return all(alias.name in KNOWN for alias in names)
        case ast.ImportFrom(module=module, names=names):
            return all(f"{module}.{alias.name}" in KNOWN for alias in names)
        case ast.FunctionDef(name=name, decorator_list=[], args=arguments, returns=returns):
            if name in FUNCTIONS and not _takes_one(arguments):
                return False
            # what is run at once: annotations, and values of arguments that are left out
            nodes = [*ast.walk(arguments), *(ast.walk(returns) if returns else ())]
            used = {node.id for node in nodes if isinstance(node, ast.Name)}
            return used <= {name.rpartition(".")[2] for name in KNOWN} | set(dir(builtins))
    return False


def _takes_one(arguments: ast.arguments) -> bool:
    """Say whether a function can be called with one argument, as far as its plain ones tell."""
    plain = len(arguments.posonlyargs) + len(arguments.args)
    needed = plain - len(arguments.defaults)
    return needed <= 1 <= plain and None not in arguments.kw_defaults


def _try(file: Path) -> None:
    """Import a file in a process of its own."""
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(file)],
            env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{file}: its import has not ended after {SECONDS} seconds") from None
    if trial.returncode:
        lines = trial.stderr.strip().splitlines() or ["it ends Python"]
        raise UserError(f"{file}: cannot be imported: {lines[-1][:LONGEST]}")
