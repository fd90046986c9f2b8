"""Whether networks have learnt anything: an accuracy beside that of guessing."""

#: The least share of the way from guessing to no error at all that an accuracy has to have come.
CLEARLY = 0.1


def near_chance(accuracy: float, classes: int) -> bool:
    """Say whether an accuracy is so near that of guessing that nothing follows from it.

    Of 10 classes that is below 0.19.
    """
    guessing = 1 / classes
    return accuracy < guessing + CLEARLY * (1 - guessing)
