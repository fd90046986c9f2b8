"""Whether predictions are the same: worked by hand."""

import math

import pytest
import torch

from dropnet.errors import UserError
from dropnet.export.checking import all_logits, compare

TRAINED = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.5, 0.5, 0.0], [300.0, 0.0, 1.0]])
LABELS = torch.tensor([0, 1, 0, 0])


def test_equal_logits_agree():
    agreement = compare("it", TRAINED.clone(), TRAINED, LABELS)
    assert (agreement.images, agreement.hits, agreement.accuracy) == (4, 3, 0.75)
    assert (agreement.largest_difference, agreement.ties) == (0, 0)


@pytest.mark.parametrize(
    ("row", "column", "change", "refused"),
    [(0, 0, 9e-5, False), (0, 0, 2e-4, True), (1, 2, -2e-4, True)]
    # three times as large, so may the difference be
    + [(3, 0, 2.5e-4, False), (3, 0, 4e-4, True)],
)
def test_a_logit_that_differs_is_an_error(row, column, change, refused):
    logits = TRAINED.clone().double()
    logits[row, column] += change
    if refused:
        with pytest.raises(UserError, match=r"^it: its logits are not those .* allowed: 0.0001$"):
            compare("it", logits, TRAINED.double(), LABELS)
    else:
        assert 5e-5 < compare("it", logits, TRAINED.double(), LABELS).largest_difference <= 1e-4


def test_a_prediction_that_differs_is_an_error_but_for_a_tie():
    logits = TRAINED.clone()
    logits[2, 1] += 5e-6
    agreement = compare("it", logits, TRAINED, LABELS)
    assert (agreement.ties, agreement.hits) == (1, 2)
    trained = TRAINED.clone()
    trained[2, 0] += 6e-5
    with pytest.raises(UserError, match="^it: 1 of 4 predictions are not those"):
        compare("it", logits, trained, LABELS)


def test_a_network_that_diverged_has_to_have_diverged():
    trained = TRAINED.clone()
    trained[1] = math.nan
    agreement = compare("it", trained.clone(), trained, torch.tensor([0, 0, 0, 0]))
    assert agreement.hits == 3, "what is no number predicts nothing"
    with pytest.raises(UserError, match="its logits are not those"):
        compare("it", TRAINED.clone(), trained, LABELS)


def test_logits_are_those_of_all_images_from_0_to_1():
    images = torch.arange(1300, dtype=torch.int64).remainder(256).to(torch.uint8).view(-1, 1, 1, 1)
    logits = all_logits(lambda chunk: chunk.flatten(1), images)
    assert torch.equal(logits, images.view(-1, 1).float() / 255)
