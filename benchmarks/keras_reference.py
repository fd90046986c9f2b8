"""The authors' procedure in Keras: a masked model of full size, `model.fit` in batches of 32.

Runs under a Python that has `tensorflow-cpu` and NumPy; nothing of the project is imported. The
cost of an epoch does not depend on the masks: a masked network is computed at full size.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from common import (
    BATCH_SIZE,
    CLASSES,
    HIDDEN,
    INPUTS,
    LEARNING_RATE,
    Split,
    arguments,
    batches,
    load_split,
    serve,
    timed,
    write_losses,
)

# How `model.fit` may be driven: (feed, XLA, batches per call of the compiled step). The first is
# what one writes without thinking of speed. 211 divides the 1,688 batches of an epoch.
SETTINGS = {
    "model.fit on arrays": ("arrays", False, 1),
    "arrays, XLA": ("arrays", True, 1),
    "arrays, 211 steps per call": ("arrays", False, 211),
    "tf.data, XLA": ("tf.data", True, 1),
    "tf.data, 211 steps per call": ("tf.data", False, 211),
    "tf.data, XLA, 211 steps per call": ("tf.data", True, 211),
}
LARGE_BATCH = 2000  # for evaluation, where the batch size does not change the result


class Mask(keras.layers.Layer):
    """Multiply the activations [batch, ..., width] by a mask [width] that is not trained."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.mask = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False)

    def call(self, activations: tf.Tensor) -> tf.Tensor:
        return activations * self.mask


def build_model(xla: bool = False, steps_per_call: int = 1) -> keras.Model:
    """Model A with a mask after each ReLU."""
    hidden = [(keras.layers.Dense(width, activation="relu"), Mask()) for width in HIDDEN]
    layers = [keras.Input((INPUTS,)), *itertools.chain(*hidden), keras.layers.Dense(CLASSES)]
    return compiled(layers, xla, steps_per_call)


def compiled(layers: list[keras.Layer], xla: bool = False, steps_per_call: int = 1) -> keras.Model:
    """The layers as a model with plain SGD and cross-entropy."""
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=xla,
        steps_per_execution=steps_per_call,
    )
    return model


def fit_of(setting: str, train: Split, validation: Split) -> Callable[[], None]:
    """A function that trains a model for one epoch, validation included, in the given way."""
    feed, xla, steps = SETTINGS[setting]
    model = build_model(xla, steps)
    if feed == "arrays":
        images, held_out = train.images(), validation.images()
        return lambda: model.fit(
            images,
            train.labels,
            batch_size=BATCH_SIZE,
            shuffle=False,
            validation_data=(held_out, validation.labels),
            # The usual call leaves validation at the training batch size; the fast one does not.
            validation_batch_size=BATCH_SIZE if steps == 1 else LARGE_BATCH,
            verbose=0,
        )
    training = feed_of(train.images(), train.labels, BATCH_SIZE)
    held_out = feed_of(validation.images(), validation.labels, LARGE_BATCH)
    return lambda: model.fit(training, validation_data=held_out, verbose=0)


def feed_of(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """A pipeline of batches that are ready before they are asked for."""
    options = tf.data.Options()
    # With it, every end of an epoch waits 0.3 s for the tuning thread to stop (TensorFlow 2.21).
    options.autotune.enabled = False
    samples = tf.data.Dataset.from_tensor_slices((images, labels))
    return samples.batch(batch_size).prefetch(4).with_options(options)


class Timing:
    """Answers the driver's requests; models are built once and kept."""

    def __init__(self, path: str) -> None:
        self.train = load_split(path, "train")
        self.validation = load_split(path, "validation")
        self.scored = feed_of(self.train.images(), self.train.labels, LARGE_BATCH)
        test = load_split(path, "test")
        self.tested = feed_of(test.images(), test.labels, LARGE_BATCH)
        self.fits: dict[str, Callable[[], None]] = {}
        self.model = build_model()
        self.scorer = keras.Model(
            self.model.inputs, [layer.output for layer in self.model.layers if type(layer) is Mask]
        )

    def settings(self) -> list[str]:
        return list(SETTINGS)

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation; the first call of a setting includes its compilation."""
        if setting not in self.fits:
            self.fits[setting] = fit_of(setting, self.train, self.validation)
        return timed(self.fits[setting])

    def cycle(self) -> dict[str, float]:
        """What a pruning cycle does besides training: score all nodes, evaluate on the test set."""

        def work() -> None:
            outputs = self.scorer.predict(self.scored, verbose=0)
            scores = [np.abs(activations).mean(0) for activations in outputs]
            assert [len(score) for score in scores] == list(HIDDEN)
            self.model.evaluate(self.tested, verbose=0)

        return timed(work)


def step_losses(problem: dict[str, np.ndarray], samples: Split, dtype: str) -> np.ndarray:
    """The training loss of each batch, before its update, from the problem's weights and masks."""
    keras.config.set_floatx(dtype)
    images = samples.images(dtype)
    model = build_model()
    dense = [layer for layer in model.layers if type(layer) is keras.layers.Dense]
    for number, layer in enumerate(dense):
        layer.set_weights([problem[f"kernel_{number}"], problem[f"bias_{number}"]])
    for number, layer in enumerate(layer for layer in model.layers if type(layer) is Mask):
        layer.set_weights([problem[f"mask_{number}"]])
    losses = []
    for batch in batches(len(samples)):
        model.reset_metrics()  # otherwise Keras returns the running mean of the losses
        losses.append(model.train_on_batch(images[batch], samples.labels[batch])[0])
    return np.array(losses)


def main() -> None:
    options = arguments(__doc__)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if options.mode == "time":
        timing = Timing(options.data)
        serve({"settings": timing.settings, "epoch": timing.epoch, "cycle": timing.cycle})
    else:
        write_losses(options, step_losses)


if __name__ == "__main__":
    main()
