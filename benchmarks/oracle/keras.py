"""The oracle as the authors' notebook has it: rebuild and evaluate a Keras model per candidate."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.oracle.workload import WIDTHS
from benchmarks.sides.keras import use_one_thread
from benchmarks.sides.protocol import (
    CLASSES,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)


class FixedMask(keras.layers.Layer):
    """Multiply by a mask that is fixed when the model is built, as the notebook's layers do."""

    def __init__(self, mask: np.ndarray) -> None:
        super().__init__()
        self.mask = tf.constant(mask)

    def call(self, activations: tf.Tensor) -> tf.Tensor:
        return activations * self.mask


class Oracle:
    """Answers the driver's requests, about Model A alone."""

    def __init__(self, data: str) -> None:
        split = load_split(data, "train")
        self.images, self.labels = split.vectors(), split.labels
        self.weights: list[np.ndarray] = []

    def load(self, model: str, network: str) -> None:
        """Take over a trained network."""
        assert model == "A"
        trained = load_network(network)
        layers = range(len(WIDTHS[model]) + 1)
        self.weights = [trained[f"{kind}_{n}"] for n in layers for kind in ("kernel", "bias")]

    def losses(self, model: str, which: list[list[int]]) -> dict[str, Any]:
        """The losses without some (layer, node), and the seconds that these took."""
        found = []

        def work() -> None:
            for layer, node in which:
                masks = [np.ones(width, np.float32) for width in WIDTHS[model]]
                masks[layer][node] = 0
                found.append(self._loss(masks))

        return timed(work) | {"losses": found}

    def _loss(self, masks: list[np.ndarray]) -> float:
        layers: list[Any] = [keras.Input(self.images.shape[1:])]
        for mask in masks:
            layers += [keras.layers.Dense(len(mask), activation="relu"), FixedMask(mask)]
        model = keras.Sequential([*layers, keras.layers.Dense(CLASSES)])
        model.set_weights(self.weights)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
        return float(model.evaluate(self.images, self.labels, verbose=0)[0])


def main() -> None:
    use_one_thread()
    serve(Oracle(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
