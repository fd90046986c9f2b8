"""Prune torchvision's ResNet18 on images of CIFAR-10, as one prunes a model of one's own.

`make example` sets everything up and runs this; afterwards, with other numbers below:

    PYTHONPATH=workflow .venv/bin/python examples/own_model.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from dropnet.data.dataset import Dataset
from dropnet.errors import exit_on_user_error
from dropnet.own_model.prune import prune_model

TRAIN_IMAGES, TEST_IMAGES = 3000, 2000
EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 64, 0.05
METRIC, PRUNE_FRACTION, STOP_FRACTION = "minimum", 0.5, 0.05
DATA, FIGURE = Path("results/data/CIFAR-10.safetensors"), Path("figures/own_model.png")


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more would wait for each other on a machine that has other work
    data = Dataset.load(DATA)
    training = batches(data.train_images[:TRAIN_IMAGES], data.train_labels, shuffle=True)
    testing = batches(data.test_images[:TEST_IMAGES], data.test_labels, shuffle=False)

    # 1. A model. Its first layer is made for photographs; images of 32 x 32 pixels need a smaller
    # one. (With stride=1 it is better, and takes four times as long.)
    model = torchvision.models.resnet18(num_classes=data.classes)
    model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=2, padding=1, bias=False)

    # 2. A function that trains one, and one that says how good it is.
    def train(model):
        optimiser = torch.optim.SGD(model.parameters(), LEARNING_RATE, 0.9, weight_decay=5e-4)
        steps = EPOCHS * len(training)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps)
        with tqdm(total=steps, desc="training", unit="batch", leave=False) as bar:
            for _ in range(EPOCHS):
                for images, labels in training:
                    optimiser.zero_grad()
                    F.cross_entropy(model(images), labels).backward()
                    optimiser.step()
                    schedule.step()
                    bar.update()

    def accuracy(model):
        with torch.no_grad():
            right = [(model(images).argmax(1) == labels).sum() for images, labels in testing]
        return float(sum(right)) / len(testing.dataset)

    # 3. Train, drop the units whose activations are lowest, rewind, cut, train again, and so on.
    pruned = prune_model(
        model,
        training,
        train,
        accuracy,
        metric=METRIC,
        prune_fraction=PRUNE_FRACTION,
        stop_fraction=STOP_FRACTION,
        after_cycle=lambda cycle: tqdm.write(
            f"{cycle.fraction_remaining:6.1%} of the units: {cycle.accuracy:.1%} right"
        ),
    )

    # 4. What came out: `pruned.model` is a smaller ResNet18, to be saved or trained further.
    table = pd.DataFrame(
        {
            "units remaining": [cycle.fraction_remaining for cycle in pruned.cycles],
            "test accuracy": [cycle.accuracy for cycle in pruned.cycles],
            "parameters": [cycle.parameters for cycle in pruned.cycles],
            "multiply-adds": [cycle.multiply_adds for cycle in pruned.cycles],
        }
    )
    print(table.to_string(index=False, float_format="{:.3f}".format))
    draw(table)


def batches(images, labels, shuffle):
    """A loader of images with values from -1 to 1."""
    scaled = images.float() / 127.5 - 1
    return DataLoader(TensorDataset(scaled, labels[: len(images)].long()), BATCH_SIZE, shuffle)


def draw(table):
    sns.set_theme(style="whitegrid")
    axes = sns.lineplot(table, x="units remaining", y="test accuracy", marker="o")
    axes.set(xscale="log", title=f"ResNet18 on {TRAIN_IMAGES} images of CIFAR-10, {METRIC}")
    axes.set_xticks(table["units remaining"], [f"{x:.0%}" for x in table["units remaining"]])
    axes.minorticks_off()
    axes.invert_xaxis()
    FIGURE.parent.mkdir(exist_ok=True)
    plt.savefig(FIGURE, dpi=150, bbox_inches="tight")
    print(f"drawn: {FIGURE}")


if __name__ == "__main__":
    with exit_on_user_error():
        if not DATA.exists():
            raise SystemExit(f"error: {DATA}: missing; `make example` makes it")
        main()
