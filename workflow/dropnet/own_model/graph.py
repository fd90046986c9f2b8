"""What hangs together in a model, and how it is cut: Torch-Pruning's dependency graph.

A group is what has to lose the same unit at once: the layers that make it, the normalisations that
it passes, the layers that read it. Layers whose outputs are added are of one group.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from dropnet.errors import UserError, of_the_machine

LAYERS = (nn.Conv2d, nn.Linear)
LONGEST = 200  # characters of an error's own words


def in_short(error: Exception) -> str:
    """Return what kind of error it is, and the beginning of what it says, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"


@dataclass(frozen=True)
class Group:
    """Units that are made by one or more layers together.

    Attributes:
        layers: names of the layers that make them, in the model's order; a unit's number is that of
            the output of the first.
        width: how many there are.
        places: for each module that gives them on, its channels, and of which unit each is.
    """

    layers: tuple[str, ...]
    width: int
    places: Mapping[str, tuple[Sequence[int], Sequence[int]]]


def groups_of(model: nn.Module, example: torch.Tensor) -> list[Group]:
    """Return the groups of a model, in the order of their first layers.

    What is given out by the model is none: nobody in it reads the units of its last layer.

    Args:
        model: stays as it is.
        example: a batch of inputs.

    Raises:
        UserError: if the model cannot be followed.
    """
    model = deepcopy(model)
    _check_layers(model)
    groups: list[Group] = []
    with _blamed_on_the_model():
        graph = _traced(model, example)
        names = {module: name for name, module in model.named_modules()}
        done: set[str] = set()
        for module, name in names.items():
            if isinstance(module, LAYERS) and name not in done and module in graph.module2node:
                group = _group(graph, module, names)
                if group is not None:
                    done.update(group.layers)
                    groups.append(group)
    return groups


def cut(model: nn.Module, example: torch.Tensor, gone: Mapping[str, Sequence[int]]) -> nn.Module:
    """Return a copy of a model that lacks some units; what remains has the values that it had.

    Args:
        model: at its full size; stays as it is.
        example: a batch of inputs.
        gone: by the first layer of a group, the units that go.

    Raises:
        UserError: if the model cannot be followed.
    """
    copied = deepcopy(model)
    if not any(gone.values()):
        return copied
    trained = {name: p.requires_grad for name, p in copied.named_parameters()}
    with _blamed_on_the_model():
        graph = _traced(copied, example)
        for name, units in gone.items():
            if units:
                layer = copied.get_submodule(name)
                drop = graph.get_pruner_of_module(layer).prune_out_channels
                graph.get_pruning_group(layer, drop, list(units)).prune()
    for name, parameter in copied.named_parameters():
        parameter.requires_grad_(trained[name])
    for (_, was), (_, module) in zip(model.named_modules(), copied.named_modules(), strict=True):
        module.training = was.training
    return copied


def _traced(model: nn.Module, example: torch.Tensor) -> Any:
    """Return the dependency graph of a model, which is set to evaluate, and to have gradients."""
    try:
        import torch_pruning
    except ImportError as error:
        raise UserError(
            f"Torch-Pruning is needed to cut a model of one's own ({error}): `make own-model`"
            " adds it to .venv"
        ) from None
    model.requires_grad_(True)
    with torch.enable_grad():  # it follows the graph of autograd
        graph = torch_pruning.DependencyGraph()
        # in a tuple, since it tries to hand over a tensor's rows one by one
        return graph.build_dependency(model, example_inputs=(example,), verbose=False)


def _group(graph: Any, layer: nn.Module, names: Mapping[nn.Module, str]) -> Group | None:
    """Return the group whose first layer this is; None if the model gives its units out."""
    pruner = graph.get_pruner_of_module(layer)
    width = pruner.get_out_channels(layer)
    found = graph.get_pruning_group(layer, pruner.prune_out_channels, list(range(width)))
    places: dict[str, tuple[Sequence[int], Sequence[int]]] = {}
    read = False
    for item in found.items:
        module = item.dep.target.module
        if isinstance(module, graph.ops._OutputOp):
            return None
        makes = item.dep.handler == graph.get_pruner_of_module(module).prune_out_channels
        if module in names and makes:
            places[names[module]] = (item.idxs, item.root_idxs)
        elif module in names:
            read = True
    layers = tuple(
        name for module, name in names.items() if isinstance(module, LAYERS) and name in places
    )
    made = any(not _depthwise(module) for module, name in names.items() if name in layers)
    return Group(layers, width, places) if read and made else None


def _depthwise(layer: nn.Module) -> bool:
    """Whether each of its outputs is made of one input, so that it makes no units of its own."""
    return (
        isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels
    )


def _check_layers(model: nn.Module) -> None:
    """Refuse layers whose units cannot go one by one, and weights that are not a layer's own."""
    for name, module in model.named_modules():
        if is_parametrized(module):
            raise UserError(
                f"model: layer {name!r} computes its weights from others, which cannot be cut;"
                " allowed: plain layers, as torch.nn.utils.parametrize.remove_parametrizations"
                " leaves them"
            )
        if isinstance(module, nn.Conv2d) and module.groups > 1 and not _depthwise(module):
            raise UserError(
                f"model: layer {name!r} is a convolution of {module.groups} groups, which would"
                " have to lose the same number each; allowed: one group, or a group a channel"
            )
    owners: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = owners.setdefault(id(parameter), name)
        if other != name:
            raise UserError(
                f"model: {other!r} and {name!r} are the same weights, which cannot be cut for one"
                " of them; allowed: layers with weights of their own"
            )


@contextmanager
def _blamed_on_the_model() -> Iterator[None]:
    """Turn what Torch-Pruning raises of an operation that it does not know into a UserError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or of_the_machine(error):
            raise
        raise UserError(
            f"model: Torch-Pruning cannot follow its operations ({in_short(error)});"
            " allowed: what it has rules for, as layers, additions, concatenations, pooling"
        ) from error
