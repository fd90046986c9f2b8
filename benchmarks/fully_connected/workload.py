"""The network of Figure 3: Model A, FC40-FC40, on MNIST. The tests hold config.yaml to it."""

INPUTS, HIDDEN = 784, (40, 40)
