"""The experiment written as plainly as possible: full-size networks, masks, autograd.

Slow and obvious; the tests hold the fast engines against it.
"""

import torch
from torch.nn import functional

from dropnet.networks.models import Conv, Dense, Flatten, GlobalAveragePool, MaxPool, Residual


def forward(layers, weights, masks, images, training=False, rectified=None):
    """Masked activations and logits of a full-size network; batch statistics while training.

    A list given as `rectified` gets what each convolution's ReLU returned.
    """
    names = iter(name.removesuffix(".kernel") for name in weights if name.endswith(".kernel"))
    remaining = iter(masks.layers)
    activations = []

    def run(layers, x):
        for layer in layers:
            match layer:
                case Conv(batch_norm=batch_norm):
                    name = next(names)
                    kernel, bias = weights[f"{name}.kernel"], weights[f"{name}.bias"]
                    x = torch.relu(functional.conv2d(x, kernel, bias, padding="same"))
                    if rectified is not None:
                        rectified.append(x)
                    if batch_norm:
                        x = normalise(name, x)
                    x = x * next(remaining).to(x.dtype).view(1, -1, 1, 1)
                    activations.append(x)
                case Dense(masked=masked, relu=relu):
                    name = next(names)
                    x = x @ weights[f"{name}.kernel"] + weights[f"{name}.bias"]
                    x = torch.relu(x) if relu else x
                    if masked:
                        x = x * next(remaining).to(x.dtype)
                        activations.append(x)
                case MaxPool():
                    x = functional.max_pool2d(x, 2)
                case GlobalAveragePool():
                    x = x.mean((2, 3))
                case Flatten():
                    x = x.permute(0, 2, 3, 1).flatten(1)
                case Residual(body=body, shortcut=shortcut):
                    x = run(body, x) + run(shortcut, x)
        return x

    def normalise(name, x):
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            unbiased = x.var((0, 2, 3), unbiased=True)
            with torch.no_grad():  # Keras' moving averages, by TensorFlow's fused operation
                weights[f"{name}.mean"].mul_(0.99).add_(mean, alpha=0.01)
                weights[f"{name}.variance"].mul_(0.99).add_(unbiased, alpha=0.01)
        else:
            mean, variance = weights[f"{name}.mean"], weights[f"{name}.variance"]
        scale = weights[f"{name}.gamma"] / torch.sqrt(variance + 1e-3)
        shift = weights[f"{name}.beta"] - mean * scale
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    dtype = next(iter(weights.values())).dtype
    return activations, run(layers, images.to(dtype) / 255)


def train_epoch(layers, weights, masks, images, labels, batch_size, learning_rate):
    """One epoch of plain SGD in the order given: weights, and Keras' running loss and accuracy."""
    weights = {name: w.clone() for name, w in weights.items()}
    trained = [n for n in weights if not n.endswith((".mean", ".variance"))]
    for name in trained:
        weights[name].requires_grad_()
    loss_sum, hits = 0.0, 0
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        target = labels[start : start + batch_size].long()
        _, logits = forward(layers, weights, masks, batch, training=True)
        loss = functional.cross_entropy(logits, target)
        gradients = torch.autograd.grad(loss, [weights[name] for name in trained])
        with torch.no_grad():
            for name, gradient in zip(trained, gradients, strict=True):
                weights[name] -= learning_rate * gradient
        loss_sum += loss.item() * len(batch)
        hits += int((logits.argmax(1) == target).sum())
    detached = {name: w.detach() for name, w in weights.items()}
    return detached, loss_sum / len(images), hits / len(images)


def evaluate(layers, weights, masks, images, labels):
    """Mean loss and accuracy."""
    _, logits = forward(layers, weights, masks, images)
    loss = functional.cross_entropy(logits, labels.long()).item()
    return loss, (logits.argmax(1) == labels).double().mean().item()
