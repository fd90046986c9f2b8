"""runs.csv of made-up experiments, for tests of what follows from them."""

import pandas as pd

from dropnet.tables.runs import RUNS

#: Nodes that remain of two layers of 40, cycle by cycle.
KEPT = ((40, 40), (32, 32), (20, 20), (8, 8), (2, 2))


def made_up(accuracies, experiment="A", kept=KEPT, losses=None):
    """Return runs in which a method has these accuracies.

    accuracies: method -> for each seed the accuracies of its cycles. kept: the nodes of each layer
    that remain in each cycle, or by method. losses: (method, seed, cycle) -> test loss, if not 0.3.
    """
    rows = []
    for method, seeds in accuracies.items():
        left = kept[method] if isinstance(kept, dict) else kept
        for seed, of_seed in enumerate(seeds):
            for cycle, accuracy in enumerate(of_seed):
                loss = (losses or {}).get((method, seed, cycle), 0.3)
                share = sum(left[cycle]) / sum(left[0])
                nodes = "|".join(map(str, left[cycle]))
                about = [experiment, "MNIST", method, seed, cycle, share, nodes]
                rows.append([*about, accuracy, 0.3, accuracy, 0.3, accuracy, loss, 7])
    return pd.DataFrame(rows, columns=list(RUNS))


def flat(unpruned, rest, cycles=5):
    """Accuracies of one seed: the unpruned one, and the same in each cycle after it."""
    return [unpruned, *[rest] * (cycles - 1)]
