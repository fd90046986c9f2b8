"""Algorithm 1 on a model of one's own: train, score, drop the lowest, rewind, cut, again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import nn

from dropnet.errors import UserError, nearest, of_the_machine
from dropnet.metrics import METRICS, Metric
from dropnet.networks.masks import Masks
from dropnet.own_model.graph import in_short
from dropnet.own_model.units import Units, find_units, size_of
from dropnet.pruning.algorithm import drop_lowest
from dropnet.randomness import generator


@dataclass(frozen=True)
class PrunedCycle:
    """What is known of the model of one cycle, trained.

    Attributes:
        number: of the cycle, 0 that of the unpruned model.
        fraction_remaining: share of the units that remain.
        kept: which of them, numbered from 0 in the unpruned model, by the name of their layer; of
            layers that are tied, the first.
        accuracy: what `evaluate` returned; None without it.
        parameters: of the whole model.
        multiply_adds: of its convolutions and matrix products, for one sample.
    """

    number: int
    fraction_remaining: float
    kept: Mapping[str, Sequence[int]]
    accuracy: float | None
    parameters: int
    multiply_adds: int

    @property
    def units(self) -> dict[str, int]:
        """How many units remain, by the name of their layer."""
        return {layer: len(kept) for layer, kept in self.kept.items()}


@dataclass(frozen=True)
class PrunedModel:
    """A model that was pruned.

    Attributes:
        model: that of the last cycle, cut and trained.
        cycles: all of them, the unpruned model's first.
        tied: for each name of `kept`, the layers that share its units, itself the first.
    """

    model: nn.Module
    cycles: Sequence[PrunedCycle]
    tied: Mapping[str, Sequence[str]]


def prune_model(
    model: nn.Module,
    samples: Iterable[Any],
    train: Callable[[nn.Module], object],
    evaluate: Callable[[nn.Module], float] | None = None,
    *,
    metric: str = "minimum",
    prune_fraction: float = 0.2,
    stop_fraction: float = 0.1,
    seed: int = 0,
    after_cycle: Callable[[PrunedCycle], object] | None = None,
) -> PrunedModel:
    """Prune a model by Algorithm 1, and cut it.

    In each cycle a copy of the model as it was given, cut to the units that remain, is trained and
    scored, and max(1, int(p * remaining)) units go. The last unit of a layer stays.

    Args:
        model: untrained, with the initial weights that each cycle rewinds to; stays as it is.
        samples: batches of training samples to score the units with, as a DataLoader gives them:
            inputs, or a list or tuple that begins with them. Gone through once a cycle.
        train: trains a model in place. Its parameters are new in each cycle, and so has to be the
            optimiser.
        evaluate: returns the accuracy of a model, or whatever is to be recorded of it.
        metric: one of `metrics.METRICS` that needs no more than the statistics.
        prune_fraction: share p of the remaining units that goes in each cycle, over the whole
            network, or of each layer with a metric `*_layer`.
        stop_fraction: the last cycle is the first one at or below this fraction remaining.
        seed: of what is left to chance: ties, and so all of the metric `random`.
        after_cycle: is shown each cycle as soon as it is finished.

    Raises:
        UserError: if the model cannot be followed, or an argument is not allowed.
    """
    chosen = _metric(metric)
    _check_fractions(prune_fraction, stop_fraction)
    for name, function in (("train", train), ("evaluate", evaluate), ("after_cycle", after_cycle)):
        if not (callable(function) or (function is None and name != "train")):
            raise UserError(f"{name}: {function!r} is not allowed; allowed: a function")
    # a model in training would learn from the samples that it is looked at with
    initial = _copied(model).eval()
    units = find_units(initial, _example(initial, samples))
    masks, cycles = units.full, list[PrunedCycle]()
    while True:
        current = units.cut(initial, masks)
        current.train()
        train(current)
        cycle = _cycle(len(cycles), current.eval(), units, masks, evaluate)
        cycles.append(cycle)
        if after_cycle is not None:
            after_cycle(cycle)
        if masks.fraction_remaining <= stop_fraction or max(masks.remaining) == 1:
            break
        statistics = units.statistics(current, masks, _inputs(current, samples))
        masks = drop_lowest(
            masks,
            chosen.importance(statistics),
            prune_fraction,
            chosen.per_layer,
            generator("ties", seed, cycle.number),
            keep=1,  # a model with a layer of no unit would be no model
        )
    return PrunedModel(current, cycles, {g.layers[0]: g.layers for g in units.groups})


def _cycle(
    number: int,
    model: nn.Module,
    units: Units,
    masks: Masks,
    evaluate: Callable[[nn.Module], float] | None,
) -> PrunedCycle:
    """Return what there is to know of a trained model."""
    accuracy = None if evaluate is None else _number(evaluate(model))
    try:
        parameters, multiply_adds = size_of(model, units.example)
    except Exception as error:
        if of_the_machine(error):
            raise
        raise UserError(
            f"train: left a model that fails on the first samples ({in_short(error)}); allowed:"
            " training in place, without changing layers or their precision"
        ) from error
    kept = {group.layers[0]: masks.kept(i).tolist() for i, group in enumerate(units.groups)}
    return PrunedCycle(number, masks.fraction_remaining, kept, accuracy, parameters, multiply_adds)


def _number(accuracy: object) -> float:
    """Return what `evaluate` returned, as a float."""
    try:
        return float(accuracy)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        raise UserError(
            f"evaluate: returned a {type(accuracy).__name__}; allowed: one number"
        ) from None


def _metric(name: str) -> Metric:
    """Return the metric of a name, unless it measures more than the statistics."""
    allowed = [known for known, metric in METRICS.items() if not metric.measures]
    if name not in allowed:
        known = isinstance(name, str) and name in METRICS
        why = "measures more than activations, and is not" if known else "is not"
        short = ", ".join(each for each in allowed if not METRICS[each].per_layer)
        raise UserError(
            f"metric: {name!r} {why} allowed here; allowed: {short}, each also with _layer behind"
            f" it{'' if known else nearest(name, allowed)}"
        )
    return METRICS[name]


def _check_fractions(prune_fraction: float, stop_fraction: float) -> None:
    if not (isinstance(prune_fraction, Real) and 0 <= prune_fraction < 1):
        raise UserError(f"prune_fraction: {prune_fraction!r} is not allowed; allowed: 0 to below 1")
    if not (isinstance(stop_fraction, Real) and 0 < stop_fraction < 1):
        raise UserError(
            f"stop_fraction: {stop_fraction!r} is not allowed; allowed: between 0 and 1"
        )


def _copied(model: nn.Module) -> nn.Module:
    """Return a copy of a model, unless it is of a kind that cannot be cut."""
    if not isinstance(model, nn.Module):
        raise UserError(f"model: is of {type(model)}; allowed: a torch.nn.Module")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule | torch._dynamo.OptimizedModule):
            which = f"layer {name!r} is" if name else "is"
            raise UserError(
                f"model: {which} compiled ({type(module).__name__}); allowed: the torch.nn.Module"
                " that it was made of"
            )
    try:
        return deepcopy(model)
    except Exception as error:
        if of_the_machine(error):
            raise
        raise UserError(
            f"model: cannot be copied ({in_short(error)}); allowed: a module whose weights are"
            " parameters, without those that torch.nn.utils.weight_norm or .prune compute"
        ) from error


def _inputs(model: nn.Module, samples: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Yield the inputs of each batch, where the model is.

    Raises:
        UserError: if there are none, or a batch has no samples.
    """
    if isinstance(samples, torch.Tensor) or not isinstance(samples, Iterable):
        raise UserError(
            f"samples: are of {type(samples)}; allowed: batches, as a DataLoader or a list of"
            " tensors gives them"
        )
    device = next(model.parameters()).device
    batch = None
    for batch in samples:
        inputs = batch[0] if isinstance(batch, list | tuple) and batch else batch
        if not isinstance(inputs, torch.Tensor):
            raise UserError(
                f"samples: a batch is a {type(inputs).__name__}; allowed: a tensor of inputs, or a"
                " list or tuple that begins with one"
            )
        if not inputs.dim() or not len(inputs):
            raise UserError(
                f"samples: a batch has the shape {list(inputs.shape)}; allowed: one or more"
                " samples, along its first dimension"
            )
        yield inputs.to(device)
    if batch is None:
        raise UserError(
            "samples: no batch came; allowed: what can be gone through in each cycle, as a"
            " DataLoader; a generator ends with the first"
        )


def _example(model: nn.Module, samples: Iterable[Any]) -> torch.Tensor:
    """Return two samples to follow the model with."""
    if next(model.parameters(), None) is None:
        raise UserError("model: has no parameters; allowed: a torch.nn.Module with layers")
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise UserError(
                f"model: {name!r} has no values (device meta); allowed: initial weights"
            )
    inputs = next(_inputs(model, samples))
    return torch.cat([inputs, inputs])[:2]
