"""Figure 3: FC40-FC40 on MNIST, six methods, fifteen seeds as one stack."""
