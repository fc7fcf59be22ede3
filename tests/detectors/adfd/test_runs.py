"""Runs of ADFD on small networks: nothing before T_k, killed and resumed while weighing, shared by processes."""

import io
import json
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
from detectors.adfd.detector import ADFD
from detectors.base import FitContext
from detectors.weights import read_weights
from tests.detectors.adfd.backbones import Plain
from tests.detectors.adfd.conftest import SMALL
from tests.processes import run_all
from tests.training.portraits import PortraitFaces, make_rows
from training.checkpoint import load_state
from training.trainer import fit

# T_k = 2 of 4 epochs, each of twelve reals in three batches.
KEYS = (*SMALL, "resolution=32", "train_batchSize=8", "workers=0", "nEpochs=4", "options.start=0.5")
STEPS = 3


class KilledError(Exception):
    """Stands for the end of the process."""


class Stopping(ADFD):
    """Can end the run in one of its steps, of which nothing is saved."""

    killed_in = 0

    def after_step(self, step: int) -> None:
        if step + 1 == self.killed_in:
            raise KilledError


def run(out: Path, *overrides: str, group: Group = ALONE, killed_in: int = 0, resume: bool = False) -> Stopping:
    config = load_config(DetectorConfig, "adfd", (*KEYS, *overrides))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = Stopping(config)
    with torch.no_grad():
        detector.backbone.last_layer.bias.copy_(torch.tensor([1.0, 0.0]))  # so that there are reals to remember
    detector.killed_in = killed_in
    faces = PortraitFaces(make_rows(fakes=False))
    quiet: dict[str, Any] = {"console": Console(file=io.StringIO()), "log_every": 1}
    fit(detector, faces, config, out, group=group, resume=resume, save_seconds=0, keep_epochs=True, **quiet)
    return detector


def epochs_of(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "epoch"]


def weights_of(out: Path, epoch: int) -> dict[str, Tensor]:
    return read_weights(out / "epochs" / f"{epoch:03}.safetensors")[0]


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_nothing_changes_before_t_k(tmp_path: Path):
    """The first epoch ends with the weights of BBMG alone, bit for bit; from the second on fakes weigh less."""
    run(tmp_path / "nrs")
    run(tmp_path / "bbmg", "options.nrs=false")
    for epoch in (1, 2, 3, 4):
        assert same(*(weights_of(tmp_path / name, epoch) for name in ("nrs", "bbmg"))) is (epoch < 2)
    first, *weighing = epochs_of(tmp_path / "nrs")
    assert "train/noise" not in first
    for number, line in enumerate(weighing, 2):
        assert line["train/noise"] > 0
        # e / beta of epoch 2 to 4 of 4 is 1/4 to 1/2, so that no fake weighs less than 3/4 to 1/2.
        assert 1 - number / 8 <= line["train/fake_weight"] < 1
        assert 2 <= line["train/candidates"] <= 8
    assert not any("train/noise" in line for line in epochs_of(tmp_path / "bbmg"))


@pytest.mark.parametrize("overrides", [(), ("options.nrs_sweep=true", "options.filter=random")], ids=["steps", "sweep"])
@pytest.mark.parametrize("step", [2, STEPS + 1, STEPS + 2], ids=["remembering", "between", "weighing"])
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path: Path, step: int, overrides: tuple[str, ...]):
    whole = run(tmp_path / "whole", *overrides)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", *overrides, killed_in=step)
    resumed = run(tmp_path / "killed", *overrides, resume=True)
    assert epochs_of(tmp_path / "whole")[-1]["train/noise"] > 0
    for name in ("last.safetensors", "epochs/002.safetensors", "epochs/003.safetensors"):
        files = [(tmp_path / folder / name).read_bytes() for folder in ("whole", "killed")]
        assert files[0] == files[1], name
    assert same(dict(whole.named_buffers()), dict(resumed.named_buffers()))


def test_what_a_run_saves_is_the_plain_network_and_its_state_holds_the_rest(tmp_path: Path):
    detector = run(tmp_path).eval()
    saved, _ = read_weights(tmp_path / "last.safetensors")
    assert saved.keys() == {f"backbone.{name}" for name in detector.backbone.state_dict()}
    kept = load_state(tmp_path / "state.pt")["buffers"]
    assert kept.keys() == {f"memory.{name}" for name in ("features", "ranks", "centres", "clustered")}
    loaded = load_detector(tmp_path, None, (), "cpu").detector.eval()
    images = detector.example_batch(4, torch.Generator().manual_seed(0))["image"]
    with torch.no_grad():
        assert torch.equal(*(one({"image": images}, inference=True)["prob"] for one in (detector, loaded)))


SHARED = ("backbone_name=plain", "accumulate=2")


def share(group: Group, out: Path) -> None:
    BACKBONE._entries["plain"] = Plain  # in a process of its own
    detector = run(out / "run", *SHARED, group=group)
    torch.save(dict(detector.named_buffers()), out / f"{group.rank}.pt")


def test_two_processes_train_like_one_with_the_joint_batch(tmp_path: Path):
    """Without batch statistics, under SAM and with accumulated batches: log, weights, memory and centres."""
    assert run_all(share, tmp_path / "two", size=2) == [0, 0]
    alone = run(tmp_path / "one", *SHARED)
    mine, theirs = (torch.load(tmp_path / "two" / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert same(mine, theirs)
    for name, buffer in alone.named_buffers():
        torch.testing.assert_close(mine[name], buffer, rtol=1e-3, atol=1e-5)
    for epoch in (1, 4):
        weights = [weights_of(folder, epoch) for folder in (tmp_path / "one", tmp_path / "two" / "run")]
        for name in weights[0]:
            torch.testing.assert_close(weights[0][name], weights[1][name], rtol=1e-3, atol=1e-5)
    for one, two in zip(epochs_of(tmp_path / "one"), epochs_of(tmp_path / "two" / "run"), strict=True):
        named = {name for name in one if name.startswith(("train/", "loss/"))}
        assert {name: two[name] for name in named} == pytest.approx({name: one[name] for name in named}, rel=1e-3)
    assert epochs_of(tmp_path / "one")[-1]["train/noise"] > 0


def offer_shares(group: Group, out: Path, joint: dict[str, Tensor]) -> None:
    BACKBONE._entries["plain"] = Plain
    detector = remembering(group)
    detector({name: value[group.rank :: group.size] for name, value in joint.items()})
    torch.save(dict(detector.memory.named_buffers()), out / f"{group.rank}.pt")


def remembering(group: Group) -> ADFD:
    """The same network in each process, in an epoch whose reals are remembered."""
    config = load_config(DetectorConfig, "adfd", (*KEYS, "backbone_name=plain"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = ADFD(config).train()
    with torch.no_grad():
        detector.backbone.last_layer.bias.copy_(torch.tensor([1.0, 0.0]))
    detector.on_fit_start(FitContext(torch.device("cpu"), 4, list, torch.Generator(), group))
    detector.on_epoch_start(0)
    return detector


def test_shares_of_a_batch_are_remembered_like_the_batch(tmp_path: Path):
    """Equal features give an equal memory, whoever computed them: here shares of images that come in equal pairs."""
    config = load_config(DetectorConfig, "adfd", KEYS)
    drawn = torch.randn(6, 3, config.resolution, config.resolution, generator=torch.Generator().manual_seed(0))
    joint = {"image": drawn.repeat_interleave(2, 0), "label": torch.tensor([0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0])}
    assert run_all(offer_shares, tmp_path, joint, size=2) == [0, 0]
    mine, theirs = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert same(mine, theirs)
    detector = remembering(ALONE)
    detector(joint)
    assert bool((detector.memory.ranks > 0).all())
    for name, buffer in detector.memory.named_buffers():
        torch.testing.assert_close(mine[name], buffer)
