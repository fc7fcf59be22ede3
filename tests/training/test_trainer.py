import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig, Optimizer
from detectors.weights import load_weights, read_weights
from tests.training.stand_in import TinyDetector, make_config, make_detector, make_faces
from training.checkpoint import load_state
from training.errors import TrainingError
from training.trainer import FitResult, Selection, fit

QUIET = Console(file=io.StringIO())
FACES = make_faces()  # 32 faces: 4 batches of 8


class KilledError(Exception):
    """Stands for the end of the process."""


class Interrupted(TinyDetector):
    """Ends the run after so many steps."""

    after = 0

    def after_step(self, step: int) -> None:
        super().after_step(step)
        if step + 1 == self.after:
            raise KilledError


def run(out: Path, detector: TinyDetector | None = None, faces=FACES, config=None, **options: Any):
    config = config or make_config()
    detector = detector or make_detector(config)
    result = fit(detector, faces, config, out, **({"console": QUIET, "log_every": 1} | options))
    return detector, result


def journal(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "img/s"} for line in lines]


def series(values: list[float | None], name: str = "auc") -> Callable[[nn.Module], dict[str, float | None]]:
    """Validation that gives these values, epoch by epoch."""
    rest: Iterator[float | None] = iter(values)
    return lambda model: {name: next(rest)}


def assert_same_weights(first: nn.Module, second: nn.Module) -> None:
    states = first.state_dict(), second.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_it_learns_and_writes_the_run(tmp_path):
    config = make_config(nEpochs=6)
    detector, result = run(tmp_path, config=config)
    lines = journal(tmp_path)
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert epochs[-1]["loss/overall"] < 0.4 < 0.6 < epochs[0]["loss/overall"]
    assert epochs[-1]["train/acc"] > 0.85
    assert [line["epoch"] for line in epochs] == list(range(6))
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == list(range(1, 25))
    assert steps[0]["lr"] == 0.01
    assert all(line["img/s"] > 0 for line in steps)
    for epoch in (0, 1):
        of_its_steps = [line["loss/overall"] for line in steps[4 * epoch : 4 * epoch + 4]]
        assert epochs[epoch]["loss/overall"] == pytest.approx(np.mean(of_its_steps))
    assert load_config(DetectorConfig, tmp_path / "config.yaml") == config
    assert result == FitResult(
        tmp_path / "best.safetensors",
        tmp_path / "last.safetensors",
        5,
        None,
        "last epoch, because validation gave no auc",
        6,
        24,
    )
    fresh = make_detector(config, seed=99)
    about = load_weights(fresh, result.last)
    assert_same_weights(fresh, detector)
    assert (about["detector"], about["epoch"]) == ("tiny", "5")


def test_hooks_are_called_in_order_once_per_optimiser_step(tmp_path):
    sharp = make_config(accumulate=2, optimizer=Optimizer(type="sam"))
    detector, result = run(tmp_path, config=sharp)
    expected = [("fit", 2)]
    for epoch in (0, 1):
        expected += [("start", epoch), ("step", 2 * epoch), ("step", 2 * epoch + 1), ("end", epoch)]
    assert detector.calls == expected
    assert result.steps == 4


def test_the_learning_rate_follows_the_epochs(tmp_path):
    run(tmp_path, config=make_config(nEpochs=4, lr_scheduler="step", lr_step=1, lr_gamma=0.5))
    rates = {line["epoch"]: line["lr"] for line in journal(tmp_path) if line["kind"] == "step"}
    assert list(rates.values()) == pytest.approx([0.01, 0.005, 0.0025, 0.00125])


def test_each_epoch_trains_after_validation_switched_to_eval(tmp_path):
    modes = []

    class Watching(TinyDetector):
        def after_step(self, step: int) -> None:
            modes.append(self.training)

    config = make_config()
    run(tmp_path, Watching(config), config=config, validate=lambda model: {"auc": float(model.eval().training)})
    assert modes == [True] * 8


@pytest.mark.parametrize("save_seconds", [0, 1e9], ids=["saved at each step", "saved at each epoch"])
@pytest.mark.parametrize(
    ("killed_after", "setting"),
    [
        (1, {}),
        (6, {}),
        (6, {"dataset_type": "balanced", "lr_scheduler": "cosine"}),
        (3, {"optimizer": Optimizer(type="sam"), "accumulate": 2}),
        (6, {"precision": "bf16", "workers": 2}),
    ],
    ids=["at once", "plain", "balanced cosine", "sam accumulated", "bf16 workers"],
)
def test_a_killed_run_goes_on_to_the_same_weights_and_log(tmp_path, killed_after, setting, save_seconds):
    """Bit for bit, from within an epoch or from the one before, with batch norm and dropout."""
    config = make_config(nEpochs=3, **setting)
    values = [0.5, 0.7, 0.6]
    whole, _ = run(tmp_path / "whole", config=config, validate=series(values))

    killed = make_detector(config)
    killed.__class__ = Interrupted
    killed.after = killed_after
    with pytest.raises(KilledError):
        run(tmp_path / "killed", killed, config=config, validate=series(values), save_seconds=save_seconds)
    validated = 0 if killed_after == 1 else 1
    rest = series(values[validated:])
    resumed, result = run(tmp_path / "killed", config=config, validate=rest, resume=True)
    assert_same_weights(resumed, whole)
    assert resumed.calls[:2] == [("fit", 3), ("start", validated)]
    assert (result.best_epoch, result.best_value) == (1, 0.7)
    for name in ("best", "last"):
        files = [read_weights(tmp_path / folder / f"{name}.safetensors")[0] for folder in ("whole", "killed")]
        assert all(torch.equal(files[0][key], files[1][key]) for key in files[0])
    assert without_times(journal(tmp_path / "killed")) == without_times(journal(tmp_path / "whole"))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    _, first = run(tmp_path, validate=series([0.8, 0.6]))
    log = (tmp_path / "log.jsonl").read_bytes()
    detector, again = run(tmp_path, validate=series([]), resume=True)
    assert again == first
    assert detector.calls == [("fit", 2)]
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_resume_of_nothing_starts(tmp_path):
    whole, _ = run(tmp_path / "a")
    resumed, _ = run(tmp_path / "b", resume=True)
    assert_same_weights(whole, resumed)


def test_the_seed_decides_and_torchs_generator_is_left_alone(tmp_path):
    torch.manual_seed(777)
    before = torch.get_rng_state()
    first, _ = run(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12345)
    second, _ = run(tmp_path / "b")
    assert_same_weights(first, second)
    other, _ = run(tmp_path / "c", config=make_config(manualSeed=4))
    assert not torch.equal(other.backbone.head.weight, first.backbone.head.weight)


@pytest.mark.parametrize(
    ("metric", "values", "epoch", "value"),
    [
        ("auc", [0.5, 0.9, 0.7], 1, 0.9),
        ("auc", [0.9, 0.9, 0.9], 0, 0.9),
        ("eer", [0.3, 0.1, 0.1], 1, 0.1),
        ("auc", [None, 0.2, None], 1, 0.2),
        ("auc", [float("nan"), 0.2, float("nan")], 1, 0.2),
        ("auc", [None, None, None], 2, None),
        ("acc", [0.0, None, 0.0], 0, 0.0),
    ],
)
def test_selection(metric, values, epoch, value):
    selection = Selection(metric)
    for number, given in enumerate(values):
        selection.offer(number, given)
    assert (selection.epoch, selection.value) == (epoch, value)
    assert ("last epoch" in selection.words) == (value is None)


def test_the_best_weights_are_those_of_the_selected_epoch(tmp_path):
    config = make_config(nEpochs=3, metric_scoring="eer")
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: nn.Module) -> dict[str, float]:
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return {"eer": [0.4, 0.2, 0.3][len(seen) - 1], "auc": 0.5}

    _, result = run(tmp_path, config=config, validate=validate)
    assert (result.best_epoch, result.best_value, result.selection) == (1, 0.2, "best eer on val, epoch 2")
    best = read_weights(result.best)[0]
    assert all(torch.equal(best[key], seen[1][key]) for key in best)
    assert [line["val/eer"] for line in journal(tmp_path) if line["kind"] == "epoch"] == [0.4, 0.2, 0.3]


class Poisoned(TinyDetector):
    """Its loss, or its weights, become NaN at a step."""

    at = 6
    where = "loss"

    def get_losses(self, data_dict, pred_dict):
        losses = super().get_losses(data_dict, pred_dict)
        if self.where == "loss" and self.steps_seen + 1 == self.at:
            losses["overall"] = losses["overall"] * float("nan")
        return losses

    def after_step(self, step: int) -> None:
        super().after_step(step)
        if self.where == "weights" and step + 1 == self.at:
            nn.init.constant_(self.backbone.head.bias, float("inf"))


@pytest.mark.parametrize("log_every", [1, 50])
@pytest.mark.parametrize(
    ("where", "at", "sentence"),
    [
        ("loss", 6, "at step 6 the loss 'overall' became nan"),
        ("loss", 8, "at step 8 the loss 'overall' became nan"),
        ("weights", 8, "at step 8 the weights became infinite or NaN"),
    ],
)
def test_nan_stops_with_its_step_and_keeps_the_last_good_state(tmp_path, where, at, sentence, log_every):
    config = make_config(nEpochs=3)
    detector = make_detector(config)
    detector.__class__ = Poisoned
    detector.where, detector.at = where, at
    with pytest.raises(TrainingError, match=f"^training stopped: {sentence}$"):
        run(tmp_path, detector, config=config, log_every=log_every, save_seconds=0)
    kept = load_state(tmp_path / "state.pt")
    assert kept["progress"]["step"] == at - 1 if log_every == 1 else kept["progress"]["step"] < at
    for state in (kept["model"], read_weights(tmp_path / "last.safetensors")[0]):
        assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert read_weights(tmp_path / "last.safetensors")[1]["epoch"] == "0"


def test_another_configuration_in_the_folder_is_refused(tmp_path):
    run(tmp_path)
    other = make_config(optimizer=Optimizer(adam={"lr": 0.5}), manualSeed=9)
    sentence = (
        f"{tmp_path} holds a run of another configuration: optimizer.adam.lr is 0.01 there, not 0.5 "
        "(and 1 more keys differ); choose another folder"
    )
    for resume in (True, False):
        with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
            run(tmp_path, config=other, resume=resume)


def test_a_start_that_failed_does_not_block_the_folder(tmp_path):
    with pytest.raises(InputError, match="unknown batch recipe"):
        run(tmp_path, config=make_config(dataset_type="frame"))
    _, result = run(tmp_path)
    assert result.epochs == make_config().nEpochs


def test_a_run_is_not_overwritten_unasked(tmp_path):
    run(tmp_path)
    with pytest.raises(InputError, match="already holds a run of this configuration: resume it"):
        run(tmp_path)


def test_other_workers_or_test_sets_are_no_other_run(tmp_path):
    _, first = run(tmp_path)
    _, again = run(tmp_path, config=make_config(workers=1, test_dataset=["X"]), resume=True)
    assert again == first


def test_other_faces_are_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(InputError, match="was trained on other faces"):
        run(tmp_path, faces=make_faces(13, 20), resume=True)


def test_a_damaged_state_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"state\.pt is not a training state"):
        run(tmp_path, resume=True)


def test_a_pickled_object_in_place_of_the_state_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    run(tmp_path)
    torch.save(Bomb(), tmp_path / "state.pt")
    with pytest.raises(InputError, match=r"state\.pt is not a training state"):
        run(tmp_path, resume=True)
    assert not (tmp_path / "exploded").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        run(tmp_path / "file" / "run")


def test_a_broken_face_stops_the_run(tmp_path):
    with pytest.raises(TrainingError, match="training face 4 cannot be used"):
        run(tmp_path, faces=make_faces(broken={4}))


def test_plain_lines_where_there_is_no_terminal(tmp_path):
    stream = io.StringIO()
    run(tmp_path, console=Console(file=stream), validate=series([0.5, 0.75]), log_every=2)
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2"] * 3 + ["epoch 2/2"] * 3 + [lines[-1]]
    assert "val/auc 0.75  *" in lines[5]
    assert lines[-1] == "selected: best auc on val, epoch 2"


def test_a_bar_on_a_terminal(tmp_path):
    stream = io.StringIO()
    run(tmp_path, console=Console(file=stream, force_terminal=True, width=120))
    assert "\x1b[" in stream.getvalue()
    assert "epoch 2/2" in stream.getvalue()
    assert "step 3" not in stream.getvalue()


def test_tensorboard_gets_the_numbers_where_it_is_installed(tmp_path, monkeypatch):
    written: list[tuple[str, float, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            self.folder = folder

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    run(tmp_path, validate=series([0.5, 0.75]))
    assert ("epoch/val/auc", 0.75, 8) in written
    assert {name for name, _, step in written if step == 3} == {
        "step/loss/overall",
        "step/train/acc",
        "step/lr",
        "step/img/s",
    }
    assert written[-1][0] == "closed"


def test_every_epochs_weights_are_kept_if_asked_for(tmp_path):
    _, result = run(tmp_path, config=make_config(nEpochs=3), validate=series([0.5, 0.9, 0.7]), keep_epochs=True)
    files = sorted((tmp_path / "epochs").iterdir())
    assert [file.name for file in files] == ["001.safetensors", "002.safetensors", "003.safetensors"]
    assert [file.read_bytes() for file in (result.best, result.last)] == [file.read_bytes() for file in files[1:]]
    assert read_weights(files[0])[1]["epoch"] == "0"


def test_what_a_killed_process_left_half_written_goes_when_the_run_is_resumed(tmp_path):
    run(tmp_path, keep_epochs=True)
    for name in (".state.pt.123.tmp", "epochs/.002.safetensors.9.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".my.tmp").write_bytes(b"not ours")
    run(tmp_path, resume=True)
    assert [path.name for path in tmp_path.rglob("*.tmp")] == [".my.tmp"]


def test_nothing_half_written_stays(tmp_path):
    run(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"config.yaml", "log.jsonl", "state.pt", "best.safetensors", "last.safetensors"}
