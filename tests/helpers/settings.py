"""Settings of small experiments."""

from dropnet.settings import Settings


def toy_settings(model="FC", widths=(6, 5), classes=10, **changes):
    """Return settings of a toy experiment, with whatever a test wants to be otherwise."""
    values = {
        "experiment": "toy",
        "scale": "test",
        "dataset": "toy",
        "data": None,
        "classes": classes,
        "model": model,
        "widths": tuple(widths),
        "prune_fraction": 0.3,
        "stop_fraction": 0.1,
        "selection": "exact",
        "precision": "float32",
        "augmentation": "none",
        "train_images": None,
        "test_images": None,
        "batch_size": 16,
        "learning_rate": 0.1,
        "max_epochs": 3,
        "patience": 2,
    }
    return Settings(**values | changes)
