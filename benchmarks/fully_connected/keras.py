"""The authors' procedure in Keras: a masked Model A of full size, `model.fit` by batches of 32."""

import itertools
from collections.abc import Callable
from functools import cached_property

import keras
import numpy as np

from benchmarks.fully_connected.workload import HIDDEN, INPUTS
from benchmarks.sides.keras import (
    Mask,
    Samples,
    Setting,
    compiled,
    epoch_of,
    feed_of,
    step_losses,
    use_one_thread,
)
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    CLASSES,
    LARGE_BATCH,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)

# The first is what one writes without thinking of speed. 211 divides the 1,688 batches of an epoch.
SETTINGS = {
    "model.fit on arrays": Setting(),
    "arrays, XLA": Setting(xla=True),
    "arrays, 211 steps per call": Setting(steps_per_call=211, validation_batch=LARGE_BATCH),
    "tf.data, XLA": Setting("tf.data", xla=True, validation_batch=LARGE_BATCH),
    "tf.data, 211 steps per call": Setting(
        "tf.data", steps_per_call=211, validation_batch=LARGE_BATCH
    ),
    "tf.data, XLA, 211 steps per call": Setting(
        "tf.data", xla=True, steps_per_call=211, validation_batch=LARGE_BATCH
    ),
}


def build_model(setting: Setting) -> keras.Model:
    """Model A with a mask after each ReLU."""
    hidden = [(keras.layers.Dense(width, activation="relu"), Mask()) for width in HIDDEN]
    layers = [keras.Input((INPUTS,)), *itertools.chain(*hidden), keras.layers.Dense(CLASSES)]
    return compiled(layers, setting)


class FullyConnected:
    """Answers the driver's requests; models are built once and kept."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.epochs: dict[str, Callable[[], None]] = {}

    def _samples(self, name: str) -> Samples:
        split = load_split(self.data, name)
        return split.vectors(), split.labels

    @cached_property
    def train(self) -> Samples:
        return self._samples("train")

    @cached_property
    def validation(self) -> Samples:
        return self._samples("validation")

    def settings(self) -> list[str]:
        return list(SETTINGS)

    def epoch(self, setting: str) -> dict[str, float]:
        """One epoch with validation; the first call of a setting includes its compilation."""
        if setting not in self.epochs:
            chosen = SETTINGS[setting]
            model = build_model(chosen)
            self.epochs[setting] = epoch_of(model, chosen, self.train, self.validation)
        return timed(self.epochs[setting])

    @cached_property
    def evaluation(self) -> Callable[[], None]:
        model = build_model(Setting())
        outputs = [layer.output for layer in model.layers if type(layer) is Mask]
        scorer = keras.Model(model.inputs, outputs)
        train = feed_of(*self.train, LARGE_BATCH)
        test = feed_of(*self._samples("test"), LARGE_BATCH)

        def work() -> None:
            scores = [
                np.abs(activations).mean(0) for activations in scorer.predict(train, verbose=0)
            ]
            assert [len(score) for score in scores] == list(HIDDEN)
            model.evaluate(test, verbose=0)

        return work

    def cycle(self) -> dict[str, float]:
        """What a pruning cycle does besides training: score all nodes, evaluate on the test set."""
        return timed(self.evaluation)

    def losses(self, network: str, dtype: str, steps: int) -> list[float]:
        """The training loss of each of the first steps, from a network's weights and masks."""
        keras.config.set_floatx(dtype)  # counts for good once a layer is made
        samples = load_split(self.data, "train").first(steps * BATCH_SIZE)
        model = build_model(Setting())
        return step_losses(model, load_network(network), samples.vectors(dtype), samples.labels)


def main() -> None:
    use_one_thread()
    serve(FullyConnected(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
