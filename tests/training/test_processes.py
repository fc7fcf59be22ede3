"""Training in real processes: several that share each batch, killed ones that go on, failing ones that say so once."""

import os
import re
import resource
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from config.processes import ALONE, Group
from config.schema import Optimizer
from detectors.weights import read_weights
from tests.processes import random_moments, run_all, run_killed
from tests.training.stand_in import ArrayFaces, TinyDetector, make_config, make_detector, make_faces
from tests.training.test_trainer import journal, without_times
from training.checkpoint import load_state
from training.trainer import fit

QUIET = Console(quiet=True)
SGD = Optimizer(type="sgd", sgd={"lr": 0.1})
SAM = Optimizer(type="sam", sam={"lr": 0.1, "rho": 0.5})


class Slow(TinyDetector):
    """Takes a moment for each step, so that a kill finds it at work."""

    def after_step(self, step: int) -> None:
        super().after_step(step)
        time.sleep(0.01)


class Thawing(TinyDetector):
    """Its head is frozen in the first epoch, and its last layer is never used."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unused = nn.Linear(3, 3)

    def on_fit_start(self, context: Any) -> None:
        self.register_buffer("shown", torch.zeros(()))
        for batch in context.batches():
            self.shown += batch["image"].double().mean().float() * len(batch["image"])

    def on_epoch_start(self, epoch: int) -> None:
        super().on_epoch_start(epoch)
        self.backbone.head.requires_grad_(epoch > 0)


class Divided(TinyDetector):
    """Each process would end its epochs with weights of its own. Keeps its first random number of each hook."""

    def on_fit_start(self, context: Any) -> None:
        self.generator = context.generator
        self.drawn = [float(torch.rand((), generator=context.generator))]

    def on_epoch_start(self, epoch: int) -> None:
        super().on_epoch_start(epoch)
        self.drawn.append(float(torch.rand((), generator=self.generator)))

    def on_epoch_end(self, epoch: int) -> None:
        super().on_epoch_end(epoch)
        with torch.no_grad():
            self.backbone.head.bias.copy_(torch.rand(2))


class Poisoned(TinyDetector):
    """Its loss becomes NaN at step 6, in one process only."""

    def get_losses(self, data_dict: Any, pred_dict: Any) -> dict[str, torch.Tensor]:
        losses = super().get_losses(data_dict, pred_dict)
        if self.steps_seen == 5 and os.environ["RANK"] == "1":
            losses["overall"] = losses["overall"] * float("nan")
        return losses


class Full(TinyDetector):
    """At step 6 the disk of the leading process takes no files of more than 500 bytes any more."""

    def after_step(self, step: int) -> None:
        super().after_step(step)
        if step == 5 and os.environ["RANK"] == "0":
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))


def detector_of(kind: type[TinyDetector], config: Any, norm: bool) -> TinyDetector:
    detector = make_detector(config, norm)
    if kind is Thawing:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            return Thawing(config, norm)
    detector.__class__ = kind
    return detector


def judge(detector: nn.Module) -> dict[str, float]:
    """A metric that goes up and down."""
    return {"auc": float(torch.cat([p.detach().flatten() for p in detector.parameters()]).double().sum().sin() + 1) / 2}


def train(
    group: Group,
    out: Path,
    setting: dict[str, Any],
    kind: type[TinyDetector] = TinyDetector,
    norm: bool = False,
    faces: ArrayFaces | None = None,
    **options: Any,
) -> TinyDetector:
    config = make_config(**setting)
    detector = detector_of(kind, config, norm)
    fit(
        detector,
        faces or make_faces(),
        config,
        out,
        group=group,
        **({"console": QUIET, "log_every": 1, "validate": judge} | options),
    )
    return detector


def train_several(group: Group, out: Path, settings: dict[str, tuple[dict[str, Any], type[TinyDetector]]]) -> None:
    for name, (setting, kind) in settings.items():
        train(group, out / name, setting, kind)


def numbers(out: Path) -> list[dict[str, Any]]:
    """The log without times and without the metric, whose last digits decide nothing here."""
    aside = ("kind", "val/auc", "selected")
    return [{key: value for key, value in line.items() if key not in aside} for line in without_times(journal(out))]


SETTINGS: dict[str, tuple[dict[str, Any], type[TinyDetector]]] = {
    "adam": ({"optimizer": Optimizer(adam={"lr": 0.01, "eps": 1e-3}), "lr_scheduler": "cosine"}, TinyDetector),
    "balanced, accumulated": ({"dataset_type": "balanced", "accumulate": 2, "optimizer": SGD}, TinyDetector),
    "sam, accumulated": ({"optimizer": SAM, "accumulate": 2, "nEpochs": 3}, TinyDetector),
    "thawed and unused": ({"optimizer": SGD, "nEpochs": 3}, Thawing),
}


def test_two_processes_train_like_one_with_the_joint_batch(tmp_path: Path):
    """For networks without batch statistics: the same losses, metrics, rates and weights, but for rounding."""
    assert run_all(train_several, tmp_path / "two", SETTINGS, size=2, words=tmp_path / "words") == [0, 0]
    train_several(ALONE, tmp_path / "one", SETTINGS)
    for name in SETTINGS:
        for mine, theirs in zip(numbers(tmp_path / "one" / name), numbers(tmp_path / "two" / name), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        states = [read_weights(tmp_path / folder / name / "last.safetensors")[0] for folder in ("one", "two")]
        for key in states[0]:
            torch.testing.assert_close(states[0][key], states[1][key], rtol=1e-3, atol=1e-5)
    start = make_detector(make_config())
    assert not torch.equal(start.backbone.head.weight, states[1]["backbone.head.weight"])


def collect(group: Group, out: Path) -> None:
    detector = train(group, out / "run", {}, Divided, norm=True)
    torch.save(detector.state_dict(), out / f"{group.rank}.pt")
    (out / f"{group.rank}.txt").write_text(" ".join(map(str, detector.drawn)))


def test_processes_end_with_the_leaders_network_and_one_set_of_files(tmp_path: Path):
    """Batch norm and hooks that differ from process to process: the leading one's values count."""
    assert run_all(collect, tmp_path, size=2) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[key], second[key]) for key in first)
    written = read_weights(tmp_path / "run" / "last.safetensors")[0]
    assert all(torch.equal(first[key], written[key]) for key in first)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"config.yaml", "log.jsonl", "state.pt", "best.safetensors", "last.safetensors"}
    drawn = [(tmp_path / f"{rank}.txt").read_text().split() for rank in (0, 1)]
    assert drawn[0][0] == drawn[1][0], "what happens in on_fit_start happens alike"
    assert not set(drawn[0][1:]) & set(drawn[1][1:])


def same_run(first: Path, second: Path) -> None:
    for name in ("best.safetensors", "last.safetensors", "epochs/001.safetensors", "epochs/004.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert without_times(journal(first)) == without_times(journal(second))
    assert not [path for path in second.rglob("*.tmp") if path.is_file()]


KILLABLE: dict[str, Any] = {"nEpochs": 4, "dataset_type": "balanced", "lr_scheduler": "cosine"}


@pytest.mark.parametrize("size", [1, 2])
def test_a_run_killed_at_any_moments_ends_as_if_it_had_not_been(tmp_path: Path, size: int):
    """SIGKILL, several times, anywhere in an epoch: equal files, bit for bit, with batch norm and dropout, and logs."""
    assert run_all(train_killable, tmp_path / "whole", size=size) == [0] * size
    moments = random_moments(seed=size, count=4, longest=0.2)
    assert run_killed(train_killable, tmp_path / "killed", size=size, moments=moments, begun=tmp_path / "killed") > 1
    same_run(tmp_path / "whole", tmp_path / "killed")


def train_killable(group: Group, out: Path) -> None:
    train(group, out, KILLABLE, Slow, norm=True, resume=True, save_seconds=0, keep_epochs=True)


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path):
    setting = {"optimizer": SGD, "train_batchSize": 6}
    train(ALONE, tmp_path / "one", setting)
    assert run_all(stopped, tmp_path / "run", setting, size=2) == [0, 0]
    assert load_state(tmp_path / "run" / "state.pt")["progress"]["step"] == 3
    assert run_all(train_resumed, tmp_path / "run", setting, size=3) == [0] * 3
    for mine, theirs in zip(numbers(tmp_path / "one"), numbers(tmp_path / "run"), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5)


class StoppedError(Exception):
    """Stands for the end of a process."""


class Stopping(TinyDetector):
    def after_step(self, step: int) -> None:
        super().after_step(step)
        if step == 3:
            raise StoppedError


def stopped(group: Group, out: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(StoppedError):
        train(group, out, setting, Stopping, save_seconds=0)


def train_resumed(group: Group, out: Path, setting: dict[str, Any]) -> None:
    train(group, out, setting, resume=True)


def train_saving(group: Group, out: Path, kind: type[TinyDetector], options: dict[str, Any]) -> None:
    train(group, out, {"nEpochs": 3}, kind, norm=True, save_seconds=0, **options)


def test_nan_in_one_process_stops_all_with_its_step_and_keeps_the_last_good_state(tmp_path: Path):
    out, words = tmp_path / "run", tmp_path / "words"
    assert run_all(train_saving, out, Poisoned, {}, size=2, words=words) == [2, 2]
    assert words.read_text() == "assay: training stopped: at step 6 the loss 'overall' became nan\n"
    kept = load_state(out / "state.pt")
    assert kept["progress"]["step"] == 5
    assert all(torch.isfinite(tensor).all() for tensor in kept["model"].values())


def test_a_broken_face_in_the_share_of_one_process_stops_all(tmp_path: Path):
    words = tmp_path / "words"
    options = {"faces": make_faces(broken={4})}
    assert run_all(train_saving, tmp_path / "run", TinyDetector, options, size=2, words=words) == [2, 2]
    assert words.read_text() == "assay: training face 4 cannot be used: ValueError: the value is not an image\n"


def train_apart(group: Group, out: Path) -> None:
    train(group, out / str(group.rank), {})


def test_processes_that_do_not_see_the_same_folder_are_refused(tmp_path: Path):
    train(ALONE, tmp_path / "1", {})
    words = tmp_path / "words"
    assert run_all(train_apart, tmp_path, size=2, words=words) == [2, 2]
    assert re.fullmatch(r"assay: \S+: not all processes see the same run; .* shared disk\n", words.read_text())


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(("log_every", "file"), [(1, "log.jsonl"), (50, "state.pt")])
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path: Path, size: int, log_every: int, file: str):
    out, words = tmp_path / "run", tmp_path / "words"
    options = {"log_every": log_every, "validate": None}
    assert run_all(train_saving, out, Full, options, size=size, words=words) == [2] * size
    assert words.read_text() == f"assay: cannot write {out / file}: File too large\n"
    assert load_state(out / "state.pt")["progress"]["step"] == 5
    assert not list(out.glob("*.tmp"))
    assert run_all(train_saving, out, TinyDetector, {**options, "resume": True}, size=size) == [0] * size
    assert run_all(train_saving, tmp_path / "whole", TinyDetector, options, size=size) == [0] * size
    assert (out / "last.safetensors").read_bytes() == (tmp_path / "whole" / "last.safetensors").read_bytes()
    assert without_times(journal(out)) == without_times(journal(tmp_path / "whole"))
