"""The experiment written as plainly as possible: full-size networks, masks, autograd.

Slow and obvious; the tests hold the fast engine against it.
"""

import torch


def forward(weights, masks, images):
    """Hidden activations and logits of a full-size network whose ReLU outputs are masked."""
    x = images.flatten(1).to(weights["dense1.kernel"].dtype) / 255
    activations = []
    for index, mask in enumerate(masks.layers, start=1):
        x = torch.relu(x @ weights[f"dense{index}.kernel"] + weights[f"dense{index}.bias"])
        x = x * mask.to(x.dtype)
        activations.append(x)
    last = len(masks.layers) + 1
    return activations, x @ weights[f"dense{last}.kernel"] + weights[f"dense{last}.bias"]


def train_epoch(weights, masks, images, labels, batch_size, learning_rate):
    """One epoch of plain SGD in the order given: weights, and Keras' running loss and accuracy."""
    weights = {name: w.clone().requires_grad_() for name, w in weights.items()}
    loss_sum, hits = 0.0, 0
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        target = labels[start : start + batch_size].long()
        _, logits = forward(weights, masks, batch)
        loss = torch.nn.functional.cross_entropy(logits, target)
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for w, gradient in zip(weights.values(), gradients, strict=True):
                w -= learning_rate * gradient
        loss_sum += loss.item() * len(batch)
        hits += int((logits.argmax(1) == target).sum())
    detached = {name: w.detach() for name, w in weights.items()}
    return detached, loss_sum / len(images), hits / len(images)


def evaluate(weights, masks, images, labels):
    """Mean loss and accuracy."""
    _, logits = forward(weights, masks, images)
    loss = torch.nn.functional.cross_entropy(logits, labels.long()).item()
    return loss, (logits.argmax(1) == labels).double().mean().item()
