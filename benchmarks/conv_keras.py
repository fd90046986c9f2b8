"""The authors' procedure in Keras for convolutional networks: masked, of full size, `model.fit`.

Runs under a Python that has `tensorflow-cpu` and NumPy; nothing of the project is imported.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from common import serve_timing, timed
from conv_common import ARCHITECTURES, BATCH_SIZE, CLASSES, load_images
from keras_reference import Mask, compiled, feed_of

# (feed, XLA, batches per call of the compiled step); the first is what one writes at first
SETTINGS = {
    "model.fit on arrays": ("arrays", False, 1),
    "tf.data": ("tf.data", False, 1),
    "tf.data, XLA": ("tf.data", True, 1),
    "tf.data, 50 steps per call": ("tf.data", False, 50),
}


def build_model(name: str, xla: bool = False, steps_per_call: int = 1) -> keras.Model:
    """Model B or C with a mask after each convolution's ReLU."""
    filters, dense, side, channels = ARCHITECTURES[name]
    layers = [keras.Input((side, side, channels))]
    for width in filters:
        layers.append(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
        layers += [Mask(), keras.layers.MaxPooling2D()]
    layers.append(keras.layers.Flatten())
    if dense:
        layers.append(keras.layers.Dense(dense, activation="relu"))
    return compiled([*layers, keras.layers.Dense(CLASSES)], xla, steps_per_call)


class Timing:
    """Answers the driver's requests; models are built once and kept."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.splits = {}
        for name in ("train", "validation"):
            images, labels = load_images(data, f"mnist_{name}")
            self.splits[name] = (images.astype(np.float32) / 255, labels)
        self.fits: dict[str, Callable[[], None]] = {}

    def settings(self) -> list[str]:
        return list(SETTINGS)

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation; the first call of a setting includes its compilation."""
        if setting not in self.fits:
            self.fits[setting] = self._fit(*SETTINGS[setting])
        return timed(self.fits[setting])

    def _fit(self, feed: str, xla: bool, steps: int) -> Callable[[], None]:
        model = build_model("B", xla, steps)
        if feed == "arrays":
            images, labels = self.splits["train"]
            return lambda: model.fit(
                images, labels, batch_size=BATCH_SIZE, shuffle=False,
                validation_data=self.splits["validation"], verbose=0,
            )  # fmt: skip
        feeds = [feed_of(*self.splits[name], BATCH_SIZE) for name in ("train", "validation")]
        return lambda: model.fit(feeds[0], validation_data=feeds[1], verbose=0)

    def losses(self, model: str, problem: str, steps: int, out: str) -> None:
        """Write the training loss of each of the first steps, before its update."""
        images, labels = load_images(self.data, f"parity_{model}")
        network = build_model(model)
        weighted = [layer for layer in network.layers if layer.trainable_weights]
        with np.load(problem) as arrays:
            for number, layer in enumerate(weighted):
                kernel = arrays[f"kernel_{number}"]
                layer.set_weights([kernel, np.zeros(kernel.shape[-1], np.float32)])
        found = []
        for start in range(0, steps * BATCH_SIZE, BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            network.reset_metrics()  # otherwise Keras returns the running mean of the losses
            inputs = images[batch].astype(np.float32) / 255
            found.append(network.train_on_batch(inputs, labels[batch])[0])
        np.save(out, np.array(found))


def main() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    serve_timing(__doc__, Timing, ("settings", "epoch", "losses"))


if __name__ == "__main__":
    main()
