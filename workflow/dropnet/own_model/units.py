"""The units of a model that can be dropped: which there are, and the model without some of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from dropnet.errors import UserError, of_the_machine
from dropnet.networks.cycle import Statistics
from dropnet.networks.masks import Masks
from dropnet.own_model import graph
from dropnet.own_model.activations import NONLINEAR, watched
from dropnet.own_model.graph import in_short
from dropnet.randomness import generator


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a model at its full size, in groups.

    Attributes:
        groups: those that are pruned; each is one masked layer to a metric.
        example: a batch of inputs that the model was followed with.
        owners: for each module that gives units on, the group and the unit of each of its channels,
            int64 [2, channels]; -1 of those that are not pruned.
    """

    groups: tuple[graph.Group, ...]
    example: torch.Tensor
    owners: Mapping[str, torch.Tensor]

    @property
    def full(self) -> Masks:
        """Masks of all units."""
        return Masks.full(group.width for group in self.groups)

    def cut(self, model: nn.Module, masks: Masks) -> nn.Module:
        """Return a copy of the model, which has its full size, with the units that remain."""
        gone = {
            group.layers[0]: (~mask).nonzero().flatten().tolist()
            for group, mask in zip(self.groups, masks.layers, strict=True)
        }
        return graph.cut(model, self.example, gone)

    def masked(self, model: nn.Module, masks: Masks, inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a model of full size, with 0 in place of units that are gone."""

        def silence(sources: frozenset[str], activations: torch.Tensor) -> None:
            name = self._place(sources)
            if name is not None:
                gone = (~self._kept(name, masks)).nonzero().flatten()
                activations.index_fill_(_dim(model, name), gone.to(activations.device), 0)

        with torch.no_grad(), watched(model, self.owners, silence):
            return model(inputs)

    def statistics(
        self, model: nn.Module, masks: Masks, batches: Iterable[torch.Tensor]
    ) -> Statistics:
        """Return the statistics of the units that remain, over samples.

        A unit that is activated at several places has the mean over them.

        Args:
            model: cut to the masks.
            masks: of the units.
            batches: of inputs.
        """
        sums: dict[str, torch.Tensor] = {}
        counts: dict[str, int] = {}

        def add(sources: frozenset[str], activations: torch.Tensor) -> None:
            name = self._place(sources)
            if name is not None:
                moved = activations.movedim(_dim(model, name), 1)
                moved = moved.reshape(len(moved), moved.shape[1], -1)
                zero = moved == 0
                rows = (moved.float().abs().mean(2), zero.float().mean(2), zero.all(2))
                total = torch.stack([row.sum(0, dtype=torch.float64) for row in rows]).cpu()
                sums[name] = sums.get(name, 0) + total
                counts[name] = counts.get(name, 0) + len(moved)

        model.eval()
        with torch.no_grad(), watched(model, self.owners, add):
            for inputs in batches:
                self._run(model, inputs)
        of_units = [torch.zeros(4, count, dtype=torch.float64) for count in masks.remaining]
        for name, total in sums.items():
            groups, units = self.owners[name][:, self._kept(name, masks)]
            means = torch.cat([total / counts[name], torch.ones(1, total.shape[1])])
            for number, mask in enumerate(masks.layers):
                here = groups == number
                position = (mask.cumsum(0) - 1)[units[here]]
                of_units[number].index_add_(1, position, means[:, here])
        names = ("mean_activation", "zero_share", "silent_share")
        return {
            name: [(of[row] / of[3]).float() for of in of_units] for row, name in enumerate(names)
        }

    def _run(self, model: nn.Module, inputs: torch.Tensor) -> None:
        """Run a model that has run on the example, so that a failure is that of the inputs."""
        try:
            model(inputs)
        except Exception as error:
            if isinstance(error, UserError) or of_the_machine(error):
                raise
            raise UserError(
                f"samples: the trained model fails on a batch of the shape {list(inputs.shape)}"
                f" ({in_short(error)}); allowed: samples as the first, of the shape"
                f" {list(self.example.shape[1:])}"
            ) from error

    def _place(self, sources: frozenset[str]) -> str | None:
        """A module whose channels are those of a sum; they are of the same units in all of them."""
        return min(sources & self.owners.keys(), default=None)

    def _kept(self, name: str, masks: Masks) -> torch.Tensor:
        """Which channels of a module of full size remain, as bools."""
        groups, units = self.owners[name]
        kept = torch.ones(len(groups), dtype=torch.bool)
        for number, mask in enumerate(masks.layers):
            here = groups == number
            kept[here] = mask[units[here]]
        return kept


def find_units(model: nn.Module, example: torch.Tensor) -> Units:
    """Return the units of a model: outputs of layers that a nonlinearity follows, bar the last.

    Args:
        model: stays as it is.
        example: a batch of inputs.

    Raises:
        UserError: if the model cannot be followed, has no such units, or would not give the same
            when it is cut as with zeros in place of the units that go.
    """
    channels = _try_out(model, example)
    candidates = graph.groups_of(model, example)
    modules = {name for group in candidates for name in group.places}
    activated: set[str] = set()
    with torch.no_grad(), watched(model, modules, lambda found, _: activated.update(found)):
        model(example)
    groups = tuple(
        group
        for group in candidates
        if {u for n, (_, units) in group.places.items() if n in activated for u in units}
        == set(range(group.width))
    )
    if not groups:
        raise UserError(
            "model: no layer that can lose units; allowed: nn.Conv2d or nn.Linear, not the last,"
            " with a nonlinearity behind it, at once or behind normalisation, addition, pooling or"
            f" dropout ({', '.join(sorted(NONLINEAR))}), and gradients from there to the output"
        )
    owners: dict[str, torch.Tensor] = {}
    for number, group in enumerate(groups):
        for name, (places, units) in group.places.items():
            if name not in channels:  # gives a tuple, as nn.MultiheadAttention
                continue
            owner = owners.setdefault(name, torch.full((2, channels[name]), -1))
            owner[0, list(places)] = number
            owner[1, list(places)] = torch.tensor(list(units))
    found = Units(groups, example, owners)
    _check(replace(found, example=_precise(example)), _stirred(model))
    return found


def size_of(model: nn.Module, example: torch.Tensor) -> tuple[int, int]:
    """Return parameters, and multiply-adds that one sample takes (by torch's FlopCounterMode)."""
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(example[:1])
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2


class _Functions(TorchFunctionMode):
    """Within, notes which functions of torch are called.

    Attributes:
        called: the functions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.called: set[object] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.called.add(func)
        return func(*args, **(kwargs or {}))


def _try_out(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    """Run the model, and return how many channels come out of each module that has a tensor.

    Raises UserError if it does not run, or not as one that can be cut.
    """
    channels: dict[str, int] = {}
    calls: dict[str, int] = {}
    functions = _Functions()

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(output, torch.Tensor) and output.dim() > 1:
                channels[name] = output.shape[_dim(model, name)]

        return hook

    hooks = [m.register_forward_hook(note(name)) for name, m in model.named_modules()]
    try:
        with torch.no_grad(), functions:
            output = model(example)
    except Exception as error:
        if of_the_machine(error):
            raise
        raise UserError(
            f"model: fails on samples of the shape {list(example.shape[1:])}"
            f" ({in_short(error)}); allowed: a forward that takes one batch of inputs"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(output, torch.Tensor):
        raise UserError(f"model: gives a {type(output).__name__}; allowed: one tensor")
    if not bool(output.isfinite().all()):
        raise UserError(
            "model: its outputs for the first samples are not all finite; allowed: samples and"
            " initial weights that give finite ones"
        )
    with torch.no_grad():
        again = model(example)
    if not _same(output, again):
        raise UserError(
            "model: gives other outputs when it is given the same samples again; allowed: a forward"
            " that, when it is evaluated, has no random numbers and remembers nothing"
        )
    if nn.functional.local_response_norm in functions.called:
        raise UserError(
            "model: local response normalisation (nn.LocalResponseNorm) mixes neighbouring"
            " channels, and cannot be cut; allowed: batch normalisation"
        )
    for name, count in calls.items():
        if (
            count > 1
            and next(model.get_submodule(name).parameters(recurse=False), None) is not None
        ):
            raise UserError(
                f"model: layer {name!r} is used {count} times in one forward; allowed: once"
            )
    return channels


def _precise(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in float32 if it has fewer bits, where rounding would hide what is wrong."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _stirred(model: nn.Module) -> nn.Module:
    """Return a copy without constant weights: a last layer that begins with 0 would hide all."""
    copied, noise = deepcopy(model)._apply(_precise), generator("stirred")
    with torch.no_grad():
        for parameter in copied.parameters():
            if parameter.numel() and (parameter == parameter.flatten()[0]).all():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise).to(parameter))
    return copied


def _check(units: Units, model: nn.Module) -> None:
    """Refuse a model that is another one when it is cut than with its units masked.

    Each group loses half of its units, all of them together; if that goes wrong, one by one, to say
    where. Once these are every second one, and once the first half, as a forward that takes a
    layer's outputs in two parts would lose as many of each by the former.
    """
    places = [torch.arange(group.width) for group in units.groups]
    for halves in ([at % 2 == 0 for at in places], [at >= len(at) // 2 for at in places]):
        if (together := _agrees(units, model, Masks(tuple(halves)))) is None:
            continue
        for number, group in enumerate(units.groups):
            layers = list(units.full.layers)
            layers[number] = halves[number]
            if trouble := _agrees(units, model, Masks(tuple(layers))):
                raise UserError(
                    f"model: layer {group.layers[0]!r} cannot be cut: {trouble}; allowed: layers"
                    " whose outputs go one by one to the next, and those that are 0 behind the"
                    " nonlinearity as 0 (batch normalisation stands before the nonlinearity)"
                )
        raise UserError(f"model: cannot be cut: {together}")


def _agrees(units: Units, model: nn.Module, masks: Masks) -> str | None:
    """Say what is wrong with the model cut to some masks; None if it is the masked one."""
    smaller = units.cut(model, masks)
    step = "in use"
    try:
        masked = units.masked(model, masks, units.example)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs = smaller(units.example)
            whole = model(units.example)
            step = "in training"  # which may use other parts of a model
            smaller.train()(units.example)
    except Exception as error:
        if of_the_machine(error):
            raise
        return f"{step}: {in_short(error)}"
    if outputs.shape != masked.shape:
        return f"its outputs become {list(outputs.shape)} instead of {list(masked.shape)}"
    off, effect = (float((a - masked).abs().max()) for a in (outputs, whole))
    rounding = 1000 * torch.finfo(masked.dtype).eps * float(masked.abs().max())
    if not math.isfinite(off) or off > _tolerance(masked) * effect + rounding:
        return f"its outputs are off by {off:.2g}, where masking it changes them by {effect:.2g}"
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two outputs are the same, up to rounding; not if one is not finite."""
    if one.shape != other.shape or one.numel() == 0:
        return one.shape == other.shape
    first, second = (tensor.cpu().to(torch.complex128) for tensor in (one, other))  # of any type
    off, largest = (float(values.abs().max()) for values in (first - second, first))
    return off <= _tolerance(one) * largest


def _tolerance(outputs: torch.Tensor) -> float:
    """What share of outputs they may be off by: a right cut, on a processor, by some 1e-7.

    A GPU may take sums of convolutions in TF32.
    """
    return 1e-4 if outputs.device.type == "cpu" else 0.01


def _dim(model: nn.Module, name: str) -> int:
    """Where the channels of a module's outputs are."""
    return -1 if isinstance(model.get_submodule(name), nn.Linear | nn.LayerNorm) else 1
