"""Runs of RealID on a small network: killed and resumed, under SAM, and shared by processes."""

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import nn

from benchmark.loading import load_detector
from config.load import load_config
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import BACKBONE
from detectors.realid.detector import RealID
from detectors.weights import read_weights
from tests.detectors.realid.conftest import SMALL
from tests.detectors.small import Small
from tests.processes import run_all
from tests.training.stand_in import make_faces
from training.trainer import fit

KEYS = (*SMALL, "train_batchSize=8", "workers=0", "nEpochs=2", "use_data_augmentation=false")
SAM = ("optimizer.type=sam", "optimizer.sam.lr=0.05", "optimizer.sam.rho=0.2")
STEPS = 5  # of an epoch: twenty fakes, four in a batch


class KilledError(Exception):
    """Stands for the end of the process."""


class Killed(RealID):
    """Can end the run after one of its steps, of which nothing is saved."""

    killed_in = 0

    def after_step(self, step: int) -> None:
        super().after_step(step)
        if step + 1 == self.killed_in:
            raise KilledError


class Plain(Small):
    """Without batch norm, so that halves of a batch are computed like the whole."""

    def __init__(self, config):
        super().__init__(config)
        self.fine[1] = nn.Identity()
        self.coarse[1] = nn.Identity()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONE._entries, "plain", Plain)


def make(*overrides: str) -> Killed:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Killed(load_config(DetectorConfig, "realid", (*KEYS, *overrides)))


def run(out: Path, *overrides: str, group: Group = ALONE, killed_in: int = 0, resume: bool = False) -> RealID:
    detector = make(*overrides)
    detector.killed_in = killed_in
    quiet = Console(file=io.StringIO())
    fit(detector, make_faces(), detector.config, out, console=quiet, save_seconds=0, group=group, resume=resume)
    return detector


@pytest.mark.parametrize("overrides", [(), SAM, ("options.memory_grad=true",)], ids=["adam", "sam", "memory_grad"])
def test_a_run_that_was_killed_ends_with_the_same_weights_bit_for_bit(tmp_path: Path, overrides: tuple[str, ...]):
    run(tmp_path / "whole", *overrides)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", *overrides, killed_in=STEPS + 2)
    run(tmp_path / "killed", *overrides, resume=True)
    files = [(tmp_path / folder / "last.safetensors").read_bytes() for folder in ("whole", "killed")]
    assert files[0] == files[1]


@pytest.mark.parametrize("overrides", [(), SAM, ("accumulate=2",)], ids=["adam", "sam", "accumulated"])
def test_each_face_moves_a_prototype_once_and_the_weights_keep_count(tmp_path: Path, overrides: tuple[str, ...]):
    run(tmp_path, *overrides)
    saved, _ = read_weights(tmp_path / "last.safetensors")
    for name in ("real", "fake"):
        assert saved[f"{name}_memory.usage"].sum() == 2 * STEPS * 4
        torch.testing.assert_close(saved[f"{name}_memory.prototypes"].norm(dim=1), torch.ones(4))


def test_what_a_run_saves_loads_from_its_folder_and_its_log_has_the_usage(tmp_path: Path):
    detector = run(tmp_path, "nEpochs=1").eval()
    loaded = load_detector(tmp_path, None, (), "cpu").detector.eval()
    images = detector.example_batch(4, torch.Generator().manual_seed(0))["image"]
    with torch.no_grad():
        assert torch.equal(*(one({"image": images}, inference=True)["prob"] for one in (detector, loaded)))
    (line,) = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    for name in ("real", "fake"):
        shares = [line[f"train/usage/{name}/{number}"] for number in range(1, 5)]
        used = getattr(detector, f"{name}_memory").usage / (STEPS * 4)
        assert shares == pytest.approx(used.tolist(), abs=1e-6)


def remember(group: Group, out: Path) -> None:
    """Two steps on given features, of which each process has its share; then a run."""
    BACKBONE._entries |= {"small": Small, "plain": Plain}  # in a process of its own
    detector = make()
    detector._group = group
    source = torch.Generator().manual_seed(1)
    for step in range(2):
        label = torch.tensor([0] * 6 + [1] * 6)[group.rank :: group.size]
        concept = nn.functional.normalize(torch.randn(12, 16, generator=source))[group.rank :: group.size]
        outputs = torch.zeros(len(label), 4)
        detector.on_pass_start(0)
        detector.get_losses({"label": label}, {"outputs": outputs, "cls": outputs[:, :2], "concept": concept})
        detector.after_step(step)
    torch.save(detector.state_dict(), out / f"{group.size}-{group.rank}.pt")
    for reduction in ("mean", "printed"):
        run(
            out / f"{reduction}{group.size}", "backbone_name=plain", f"options.reduction={reduction}", *SAM, group=group
        )


def test_two_processes_have_the_memory_of_one_with_the_joint_batch(tmp_path: Path):
    """Of the same features bit for bit; in runs but for rounding."""
    assert run_all(remember, tmp_path, size=2) == [0, 0]
    remember(ALONE, tmp_path)
    alone, first, second = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    for name in ("real", "fake"):
        for key in (f"{name}_memory.prototypes", f"{name}_memory.usage"):
            assert torch.equal(alone[key], first[key])
            assert torch.equal(alone[key], second[key])
    for reduction in ("mean", "printed"):
        one, two = (read_weights(tmp_path / f"{reduction}{size}" / "last.safetensors")[0] for size in (1, 2))
        for key in one:
            torch.testing.assert_close(one[key], two[key], rtol=1e-3, atol=1e-5)
    start = make("backbone_name=plain").state_dict()
    assert not torch.allclose(start["real_memory.prototypes"], one["real_memory.prototypes"], atol=1e-3)
