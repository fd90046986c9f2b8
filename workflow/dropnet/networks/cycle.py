"""What a pruning cycle leaves behind: trained networks with their masks, scores and results."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from dropnet.networks.masks import Masks

#: Weights by layer name, e.g. "dense1.kernel" [inputs, nodes] and "dense1.bias" [nodes].
Weights = Mapping[str, torch.Tensor]

#: Statistics of one network: by name, one tensor [remaining nodes] for each masked layer, over the
#: training samples; "node" also stands for a filter.
#: `mean_activation`: E, the mean |post-activation| (Section 2; a filter's over its positions, too).
#: `zero_share`: the share of samples and positions at which the ReLU gives 0.
#: `silent_share`: the share of samples for which the post-activations of all positions are 0. They
#: are those that a mask acts on: of a normalised layer, after the normalisation.
Statistics = Mapping[str, Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Results:
    """What is recorded of one trained network; accuracies are fractions between 0 and 1.

    Attributes:
        train_accuracy: running mean over the last epoch, measured while training (Keras' way).
        train_loss: likewise; not finite for a network that diverged.
        val_accuracy: on the validation split, after the last epoch.
        val_loss: likewise.
        test_accuracy: on the test set, with the last epoch's weights.
        test_loss: likewise.
        epochs: number of epochs trained.
    """

    train_accuracy: float
    train_loss: float
    val_accuracy: float
    val_loss: float
    test_accuracy: float
    test_loss: float
    epochs: int

    @property
    def diverged(self) -> bool:
        """Whether one of its losses is not a finite number."""
        losses = (self.train_loss, self.val_loss, self.test_loss)
        return not all(map(math.isfinite, losses))


@dataclass(frozen=True)
class Network:
    """One trained network, at its pruned size.

    Attributes:
        seed: of the initial weights.
        masks: which nodes of the full network remain.
        weights: trained, compacted: pruned nodes are gone from them.
        statistics: of the remaining nodes, over the whole training split.
        results: accuracies, losses and epochs.
    """

    seed: int
    masks: Masks
    weights: Weights
    statistics: Statistics
    results: Results


@dataclass(frozen=True)
class Cycle:
    """One pruning cycle of a stack of networks; all have the same number of nodes remaining."""

    number: int
    networks: Sequence[Network]

    @property
    def fraction_remaining(self) -> float:
        """Share of the masked nodes that remain, the same in every network of the stack."""
        return self.networks[0].masks.fraction_remaining
