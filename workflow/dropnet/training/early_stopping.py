"""Keras' EarlyStopping(monitor="val_loss", patience=...), as the authors use it."""

import math


class EarlyStopping:
    """Stop after the `patience`-th consecutive epoch without a new lowest validation loss.

    Nothing is restored: the weights of the last epoch are the result.
    """

    def __init__(self, patience: int, lowest: float = math.inf, epochs_without: int = 0) -> None:
        """Start before the first epoch, or with the lowest loss so far and the epochs since."""
        self.patience = patience
        self.lowest = lowest
        self.epochs_without = epochs_without

    def stops_after(self, val_loss: float) -> bool:
        """Take in an epoch's validation loss and say whether training stops after it."""
        if val_loss < self.lowest:
            self.lowest = val_loss
            self.epochs_without = 0
        else:
            self.epochs_without += 1
        return self.epochs_without >= self.patience
