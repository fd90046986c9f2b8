"""Methods by their names, taken apart: "minimum_layer (p=0.3)"."""

import re
from dataclasses import dataclass
from typing import Self

RANDOM_INIT, SHUFFLED, FINETUNE = "random_init", "shuffled", "finetune"  # variants
_NAME = re.compile(r"(?P<metric>.+?)(?P<layer>_layer)?(?: \((?P<variant>.*)\))?")


@dataclass(frozen=True)
class MethodName:
    """What the name of a method says.

    Attributes:
        metric: e.g. "minimum", also of the per-layer form.
        per_layer: whether each layer loses the same share.
        variant: what stands in brackets, e.g. "shuffled", "finetune", "p=0.3"; "" for nothing.
    """

    metric: str
    per_layer: bool = False
    variant: str = ""

    @classmethod
    def of(cls, name: str) -> Self:
        """Take a name apart; any text is one."""
        match = _NAME.fullmatch(name)
        if match is None:
            return cls(name)
        return cls(match["metric"], match["layer"] is not None, match["variant"] or "")

    @property
    def name(self) -> str:
        """The name."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.metric}{'_layer' if self.per_layer else ''}{variant}"
