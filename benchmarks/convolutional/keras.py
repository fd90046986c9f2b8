"""The authors' procedure in Keras for convolutional networks: masked, of full size, `model.fit`."""

from collections.abc import Callable
from functools import cached_property

import keras

from benchmarks.convolutional.workload import ARCHITECTURES
from benchmarks.sides.keras import (
    Mask,
    Samples,
    Setting,
    compiled,
    epoch_of,
    step_losses,
    use_one_thread,
)
from benchmarks.sides.protocol import (
    BATCH_SIZE,
    CLASSES,
    data_of_command_line,
    load_network,
    load_split,
    serve,
    timed,
)

# The first is what one writes without thinking of speed.
SETTINGS = {
    "model.fit on arrays": Setting(),
    "tf.data": Setting("tf.data"),
    "tf.data, XLA": Setting("tf.data", xla=True),
    "tf.data, 50 steps per call": Setting("tf.data", steps_per_call=50),
}


def build_model(name: str, setting: Setting) -> keras.Model:
    """Model B or C with a mask after each convolution's ReLU."""
    network = ARCHITECTURES[name]
    layers = [keras.Input((network.side, network.side, network.channels))]
    for width in network.filters:
        layers.append(keras.layers.Conv2D(width, 3, padding="same", activation="relu"))
        layers += [Mask(), keras.layers.MaxPooling2D()]
    layers.append(keras.layers.Flatten())
    if network.dense:
        layers.append(keras.layers.Dense(network.dense, activation="relu"))
    return compiled([*layers, keras.layers.Dense(CLASSES)], setting)


class Convolutional:
    """Answers the driver's requests; models are built once and kept."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.epochs: dict[str, Callable[[], None]] = {}

    def _samples(self, name: str) -> Samples:
        split = load_split(self.data, name)
        return split.images(), split.labels

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
            model = build_model("B", chosen)
            self.epochs[setting] = epoch_of(model, chosen, self.train, self.validation)
        return timed(self.epochs[setting])

    def losses(self, model: str, network: str, steps: int, dtype: str) -> list[float]:
        """The training loss of each of the first steps, from a network's weights and masks."""
        keras.config.set_floatx(dtype)  # counts for good once a layer is made
        samples = load_split(self.data, f"parity_{model}").first(steps * BATCH_SIZE)
        built = build_model(model, Setting())
        return step_losses(built, load_network(network), samples.images(dtype), samples.labels)


def main() -> None:
    use_one_thread()
    serve(Convolutional(data_of_command_line(__doc__)))


if __name__ == "__main__":
    main()
