"""What a line of the log shows."""

import io

import pytest
import torch
from rich.console import Console

from training.errors import TrainingError
from training.log import Display, Meter, summary


def test_a_line_has_numbers_as_one_reads_them_and_leaves_out_quantities_of_several_values():
    values = {"epoch": 3, "loss/overall": 0.123456, "train/usage/1": 0.5, "lr": 2e-4, "img/s": 12.34, "selected": True}
    assert summary(values) == "loss/overall 0.1235  lr 0.0002  img/s 12.3"


def test_a_long_look_has_a_line_for_each_tenth_and_hands_all_on():
    shown = io.StringIO()
    display = Display(Console(file=shown), 1)
    assert list(display.look(2, range(95), 95)) == list(range(95))
    done = [10, 19, 29, 38, 48, 57, 67, 76, 86, 95]
    assert shown.getvalue().splitlines() == [f"looking at the batches of epoch 3: {number} of 95" for number in done]


def test_a_metric_that_a_step_has_not_is_left_out_of_its_mean_and_a_loss_may_not_be():
    meter = Meter()
    for step, auc in enumerate((0.5, float("nan"), 1.0)):
        meter.add(step, {"overall": torch.tensor(float(step))}, {"auc": torch.tensor(auc)})
    meter.flush()
    assert meter.epoch() == {"loss/overall": 1.0, "train/auc": 0.75}
    meter.add(3, {"overall": torch.tensor(float("nan"))}, {})
    with pytest.raises(TrainingError, match="at step 3 the loss 'overall' became nan"):
        meter.flush()
