"""What the Keras sides share: the masked layer, how `model.fit` is driven, the losses of steps.

The authors' procedure: a model of full size with a mask after each ReLU, so that an epoch costs the
same whatever the masks are. Runs under a Python that has `tensorflow-cpu` and NumPy; nothing of the
project's package is imported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from benchmarks.sides.protocol import BATCH_SIZE, LEARNING_RATE, batches

Samples = tuple[np.ndarray, np.ndarray]  # images of a floating-point type, and labels


@dataclass(frozen=True)
class Setting:
    """How `model.fit` is driven; the defaults are those of a call that nobody has tuned.

    Attributes:
        feed: "arrays" or "tf.data".
        xla: whether the model is compiled by XLA.
        steps_per_call: batches per call of the compiled step.
        validation_batch: validation images in a batch.
    """

    feed: str = "arrays"
    xla: bool = False
    steps_per_call: int = 1
    validation_batch: int = BATCH_SIZE


class Mask(keras.layers.Layer):
    """Multiply the activations [batch, ..., width] by a mask [width] that is not trained."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.mask = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False)

    def call(self, activations: tf.Tensor) -> tf.Tensor:
        return activations * self.mask


def compiled(layers: Sequence[keras.Layer], setting: Setting) -> keras.Model:
    """The layers as a model with plain SGD and cross-entropy."""
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=setting.xla,
        steps_per_execution=setting.steps_per_call,
    )
    return model


def epoch_of(
    model: keras.Model, setting: Setting, train: Samples, validation: Samples
) -> Callable[[], None]:
    """A function that trains the model for one epoch, validation included."""
    if setting.feed == "arrays":
        return lambda: model.fit(
            *train,
            batch_size=BATCH_SIZE,
            shuffle=False,
            validation_data=validation,
            validation_batch_size=setting.validation_batch,
            verbose=0,
        )
    training = feed_of(*train, BATCH_SIZE)
    held_out = feed_of(*validation, setting.validation_batch)
    return lambda: model.fit(training, validation_data=held_out, verbose=0)


def feed_of(images: np.ndarray, labels: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """A pipeline of batches that are ready before they are asked for."""
    options = tf.data.Options()
    # With it, every end of an epoch waits 0.3 s for the tuning thread to stop (TensorFlow 2.21).
    options.autotune.enabled = False
    samples = tf.data.Dataset.from_tensor_slices((images, labels))
    return samples.batch(batch_size).prefetch(4).with_options(options)


def step_losses(
    model: keras.Model, network: Mapping[str, np.ndarray], images: np.ndarray, labels: np.ndarray
) -> list[float]:
    """The training loss of each batch, before its update, from the network's weights and masks."""
    weighted = (layer for layer in model.layers if layer.trainable_weights)
    for number, layer in enumerate(weighted):
        layer.set_weights([network[f"kernel_{number}"], network[f"bias_{number}"]])
    masked = (layer for layer in model.layers if type(layer) is Mask)
    for number, layer in enumerate(masked):
        layer.set_weights([network[f"mask_{number}"]])
    losses = []
    for batch in batches(len(labels)):
        model.reset_metrics()  # otherwise Keras returns the running mean of the losses
        losses.append(float(model.train_on_batch(images[batch], labels[batch])[0]))
    return losses


def use_one_thread() -> None:
    """Keep TensorFlow to one thread, whatever its environment says."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
