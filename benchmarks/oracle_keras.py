"""The oracle as the authors' notebook has it: rebuild and evaluate a Keras model per candidate."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from common import serve_timing, timed
from oracle_common import CLASSES, SIDE, WIDTHS, load_training, load_weights


class Masked(keras.layers.Layer):
    """Multiplies with a mask that is fixed when the model is built, as the notebook's layers."""

    def __init__(self, mask: np.ndarray) -> None:
        super().__init__()
        self.mask = tf.constant(mask)

    def call(self, x: Any) -> Any:
        return x * self.mask


class Timing:
    """Answers the driver's requests."""

    def __init__(self, data: str) -> None:
        images, self.labels = load_training(data)
        self.images = images.reshape(len(images), -1).astype(np.float32) / 255
        self.weights: dict[str, np.ndarray] = {}

    def load(self, model: str, weights: str) -> None:
        """Take over a trained network."""
        assert model == "A"
        self.weights = dict(load_weights(weights))

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
        layers: list[Any] = [keras.Input((SIDE * SIDE,))]
        for mask in masks:
            layers += [keras.layers.Dense(len(mask), activation="relu"), Masked(mask)]
        network = keras.Sequential([*layers, keras.layers.Dense(CLASSES)])
        network.set_weights(
            [self.weights[f"{k}_{n}"] for n in range(3) for k in ("kernel", "bias")]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
        return float(network.evaluate(self.images, self.labels, verbose=0)[0])


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    serve_timing(__doc__, Timing, ("load", "losses"))


if __name__ == "__main__":
    main()
