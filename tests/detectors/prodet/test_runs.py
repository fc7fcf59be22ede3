"""Runs of ProDet on a small network: through the warm-up, killed and resumed, shared by processes, in all steps."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from benchmark.loading import load_detector
from config.load import load_config
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import BACKBONE
from detectors.base import DataDict, PredDict
from detectors.prodet.detector import ProDet
from detectors.weights import read_weights
from tests.detectors.prodet.conftest import SMALL
from tests.detectors.small import Small
from tests.processes import run_all
from tests.training.portraits import PortraitFaces
from training.checkpoint import load_state
from training.trainer import fit

KEYS = (*SMALL, "options.width=6", "train_batchSize=16", "workers=0", "nEpochs=2", "options.warm_up=0.5")
STEPS = 3  # of an epoch: twelve fakes, four tuples in a batch


class KilledError(Exception):
    """Stands for the end of the process."""


class Watched(ProDet):
    """Keeps what its steps saw and drew, and can end the run in one of them, of which nothing is saved."""

    killed_in = 0

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        predictions = super().forward(data_dict, inference)
        if not inference:
            ratios = predictions.get("ratios", torch.empty(0, 0))
            self.__dict__.setdefault("seen", []).append({"attributes": data_dict["attributes"], "ratios": ratios})
        return predictions

    def after_step(self, step: int) -> None:
        if step + 1 == self.killed_in:
            raise KilledError


def run(out: Path, *overrides: str, group: Group = ALONE, killed_in: int = 0, resume: bool = False) -> Watched:
    config = load_config(DetectorConfig, "prodet", (*KEYS, *overrides))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = Watched(config)
    detector.killed_in = killed_in
    quiet: dict[str, Any] = {"console": Console(file=io.StringIO()), "save_seconds": 0}
    fit(detector, PortraitFaces(), config, out, group=group, resume=resume, **quiet)
    return detector


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONE._entries, "small", Small)


@pytest.mark.parametrize("step", [2, STEPS + 1, STEPS + 2], ids=["warming up", "between", "bridging"])
def test_a_run_that_was_killed_ends_with_the_same_weights_bit_for_bit(tmp_path: Path, step: int):
    run(tmp_path / "whole")
    with pytest.raises(KilledError):
        run(tmp_path / "killed", killed_in=step)
    resumed = run(tmp_path / "killed", resume=True)
    files = [(tmp_path / folder / "last.safetensors").read_bytes() for folder in ("whole", "killed")]
    assert files[0] == files[1]
    bridges = [len(one["ratios"]) for one in resumed.seen]
    assert bridges == ([0] * STEPS + [3] * STEPS)[step - 1 :]


def test_what_a_run_saves_is_the_network_and_loads_from_its_folder(tmp_path: Path):
    detector = run(tmp_path, "nEpochs=1").eval()
    saved, _ = read_weights(tmp_path / "last.safetensors")
    assert saved.keys() == detector.state_dict().keys()
    assert not [name for name in saved if name.endswith("_labels")], "labels follow from the configuration"
    loaded = load_detector(tmp_path, None, (), "cpu").detector.eval()
    images = detector.example_batch(4, torch.Generator().manual_seed(0))["image"]
    with torch.no_grad():
        assert torch.equal(*(one({"image": images}, inference=True)["prob"] for one in (detector, loaded)))


def share(group: Group, out: Path) -> None:
    BACKBONE._entries["small"] = Small  # in a process of its own
    detector = run(out / "run", group=group)
    torch.save({"seen": detector.seen, "weights": detector.state_dict()}, out / f"{group.rank}.pt")


def test_two_processes_share_a_batch_by_tuples_and_draw_their_own_bridges(tmp_path: Path):
    assert run_all(share, tmp_path, size=2) == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    tuples = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]).repeat_interleave(2, 0)
    for number, (mine, theirs) in enumerate(zip(first["seen"], second["seen"], strict=True)):
        bridges = 0 if number < STEPS else 3
        for one in (mine, theirs):
            assert torch.equal(one["attributes"], tuples)
            assert len(one["ratios"]) == bridges
        assert not bridges or not torch.equal(mine["ratios"], theirs["ratios"])
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])


def moved(first: dict[str, Tensor], second: dict[str, Tensor]) -> set[str]:
    return {name.partition(".")[0] for name in first if not torch.equal(first[name], second[name])}


@pytest.mark.parametrize(
    "settings",
    [
        ("precision=bf16",),
        ("accumulate=2",),
        ("optimizer.type=sam",),
        ("optimizer.type=sam", "accumulate=2", "precision=bf16"),
    ],
    ids=" ".join,
)
def test_each_kind_of_step_moves_all_parts(tmp_path: Path, settings: tuple[str, ...]):
    begun = run(tmp_path / "begun", "nEpochs=1", "optimizer.adam.lr=1e-30").state_dict()
    detector = run(tmp_path / "run", "nEpochs=1", *settings)
    state = detector.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert moved(begun, state) == {name for name, _ in detector.named_children()} - {"loss_func"}
    steps = 2 if "accumulate=2" in settings else STEPS
    assert load_state(tmp_path / "run" / "state.pt")["progress"]["step"] == steps
    passes = 2 if "optimizer.type=sam" in settings else 1
    assert len(detector.seen) == STEPS * passes
