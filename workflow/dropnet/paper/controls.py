"""What is known has to be in sight before runs by a reduced protocol say anything: the controls."""

import pandas as pd

from dropnet.estimates import LEVEL, Estimate, has_spread
from dropnet.paper.claims import Statement
from dropnet.paper.drawn import Drawn
from dropnet.paper.effects import effects_of
from dropnet.paper.protocol import DROPNET

# What runs by a reduced protocol need to say anything
REDUCED_SEEDS = 8
# of accuracy: what their unpruned networks and the paper's may be apart. On CIFAR-10, networks
# that far below the paper's have come three quarters of the way from guessing to them
UNPRUNED_APART = 0.15
# The collapse of `maximum`: DropNet is better by so much over this range, whatever the claims
BETTER_BY, BETTER_OVER = 0.05, (0.1, 0.3)


def uncontrolled(figure: str, drawn: Drawn, runs: pd.DataFrame, paper: pd.DataFrame) -> str:
    """Say why runs by a reduced protocol cannot tell anything about the paper's; "" if they can.

    Two things that are known have to be in sight: unpruned networks about as accurate as the
    paper's (`UNPRUNED_APART`), and the collapse of `maximum` (`BETTER_BY`, ...), by a one-sided
    t-test at the usual level, of two methods, which is corrected for (Bonferroni).

    Args:
        figure: of the paper.
        drawn: what it is drawn from.
        runs: that it can be drawn from (`Drawn.runs_in`).
        paper: the paper's curves.
    """
    theirs = paper[(paper["figure"] == figure) & (paper["fraction_remaining"] == 1)]
    theirs = theirs[theirs["method"].isin(drawn.methods)]
    ours = runs[(runs["fraction_remaining"] == 1) & runs["method"].isin(drawn.methods.values())]
    if theirs.empty or ours.empty:
        return "no control: the paper's figure has no unpruned networks"
    apart = float(ours["test_accuracy"].mean() - theirs["accuracy"].mean())
    if abs(apart) > UNPRUNED_APART:
        return f"the unpruned networks are {100 * apart:+.1f} points from the paper's"
    present = set(runs["method"])
    others = [name for name in DROPNET if name in present]
    if "maximum" not in present or not others:
        return "no control: maximum has not run"
    names = {name: name for name in (*others, "maximum")}
    p_values = []
    for other in others:
        collapse = Statement.of_ours(other, "maximum", BETTER_OVER, BETTER_BY)
        effects = effects_of(collapse, runs, names, drawn.stop_fraction)
        if has_spread(effects.by_seed):
            p_values.append(Estimate.of(effects.by_seed).p(BETTER_BY, "greater"))
    seen = p_values and len(others) * min(p_values) <= LEVEL
    return "" if seen else "the collapse of maximum is not seen"
