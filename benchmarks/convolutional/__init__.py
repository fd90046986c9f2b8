"""Figure 6: Conv64-Conv64 on MNIST, and the memory and losses of larger networks."""
