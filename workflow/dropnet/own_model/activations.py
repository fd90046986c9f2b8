"""Where a model's activations are while it runs: behind its nonlinearities, module or function."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

#: Names of torch's functions, those that end in _ too.
NONLINEAR = frozenset(
    (
        *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu"),
        *("mish", "softplus", "softsign", "tanh", "sigmoid", "logsigmoid", "threshold"),
        *("hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "tanhshrink"),
    )
)

#: Given the names of the modules whose sum was activated, and the activations; may write into them.
Visit = Callable[[frozenset[str], torch.Tensor], None]


@contextmanager
def watched(model: nn.Module, modules: Iterable[str], visit: Visit) -> Iterator[None]:
    """Call `visit` at every nonlinearity that reads what some modules give, while the model runs.

    Between module and nonlinearity may lie what keeps channels apart: additions, pooling, dropout.
    A nonlinearity may be a module that is used again and again, or a function.

    Args:
        model: to be run within the context.
        modules: names of those that are looked at.
        visit: sees the activations, [samples, channels, ...], or [samples, ..., features] behind an
            nn.Linear.
    """
    watch, looked_at = _Watch(visit), set(modules)
    hooks = [
        module.register_forward_hook(watch.remember(name if name in looked_at else None))
        for name, module in model.named_modules()
        if name in looked_at or next(module.parameters(recurse=False), None) is not None
    ]
    try:
        with watch:
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _Watch(TorchFunctionMode):
    """Sees every function of torch that is called, and knows which modules a tensor came from."""

    def __init__(self, visit: Visit) -> None:
        super().__init__()
        self._visit = visit
        self._sources: Any = WeakIdKeyDictionary()  # tensor -> names of modules

    def remember(self, name: str | None) -> Callable[[nn.Module, Any, Any], None]:
        """Return a hook that notes what comes out of a module; None for one not looked at."""

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                self._sources[output] = frozenset() if name is None else frozenset([name])

        return hook

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        # of what is written in place, the result is an argument
        known = [(self._sources.get(a), a.shape) for a in args if isinstance(a, torch.Tensor)]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            sources: frozenset[str] = frozenset()
            for names, shape in known:
                if names and _same_channels(shape, result.shape):
                    sources |= names
            if sources and getattr(func, "__name__", "").rstrip("_") in NONLINEAR:
                with torch.no_grad():
                    self._visit(sources, result)
                sources = frozenset()
            self._sources[result] = sources
        return result


def _same_channels(before: torch.Size, after: torch.Size) -> bool:
    """Whether a function kept samples and channels as they were: positions of images may go."""
    return before == after or (len(before) == len(after) == 4 and before[:2] == after[:2])
