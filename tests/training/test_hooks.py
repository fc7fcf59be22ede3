"""What methods may carry and look at: buffers that weights leave out, and batches before training."""

import io
from typing import Any

import pytest
import torch
from rich.console import Console

from config.schema import DetectorConfig
from detectors.weights import read_weights
from tests.training.stand_in import TinyDetector, make_config
from tests.training.test_trainer import Interrupted, KilledError, assert_same_weights, run


class Remembering(Interrupted):
    """Moves its head by a sum that no weights file has."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.register_buffer("sum", torch.zeros(()), persistent=False)

    def after_step(self, step: int) -> None:
        self.sum += self.backbone.head.weight.detach().sum()
        with torch.no_grad():
            self.backbone.head.bias.add_(0.1 * self.sum)
        super().after_step(step)


@pytest.mark.parametrize("killed_after", [2, 6], ids=["first epoch", "second epoch"])
def test_a_resumed_run_goes_on_from_buffers_that_weights_leave_out(tmp_path, killed_after):
    config = make_config(nEpochs=3)

    def detector(after: int = 0) -> Remembering:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            made = Remembering(config)
        made.after = after
        return made

    whole, result = run(tmp_path / "whole", detector(), config=config)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", detector(killed_after), config=config, save_seconds=0)
    resumed, _ = run(tmp_path / "killed", detector(), config=config, resume=True)
    assert_same_weights(resumed, whole)
    assert torch.equal(resumed.sum, whole.sum)
    assert "sum" not in read_weights(result.last)[0]


class LookingAhead(TinyDetector):
    """Keeps the sum of each batch that it is shown before training, and of each that it trains on."""

    def on_fit_start(self, context: Any) -> None:
        self.is_resumed = context.is_resumed
        self.ahead = [[float(batch["image"].sum()) for batch in context.batches(epoch)] for epoch in (0, 1)]
        self.trained: list[float] = []

    def forward(self, data_dict: Any, inference: bool = False) -> Any:
        self.trained.append(float(data_dict["image"].sum()))
        return super().forward(data_dict, inference)


def test_before_training_the_batches_of_any_epoch_can_be_looked_at(tmp_path):
    config = make_config()
    for is_resumed in (False, True):
        detector, _ = run(tmp_path, LookingAhead(config), config=config, resume=True)
        assert detector.is_resumed is is_resumed
        assert detector.ahead[0] != detector.ahead[1]
        if not is_resumed:
            assert detector.trained == [*detector.ahead[0], *detector.ahead[1]]


def test_how_far_a_look_at_the_batches_is_is_shown(tmp_path):
    shown, terminal = io.StringIO(), io.StringIO()
    config = make_config(nEpochs=1)
    run(tmp_path / "a", LookingAhead(config), config=config, console=Console(file=shown))
    label = "looking at the batches of epoch"
    looks = [f"{label} {epoch}: {done} of 4" for epoch in (1, 2) for done in (1, 2, 3, 4)]
    assert shown.getvalue().splitlines()[:8] == looks
    run(tmp_path / "b", LookingAhead(config), config=config, console=Console(file=terminal, force_terminal=True))
    assert f"{label} 2" in terminal.getvalue()
    assert f"{label} 2:" not in terminal.getvalue()
