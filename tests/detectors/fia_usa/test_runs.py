"""Runs of FIA-USA on a small network: images and masks alike, killed and resumed, under SAM, shared by processes."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from benchmark.loading import load_detector
from config.load import load_config
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors import BACKBONE
from detectors.base import Batches
from detectors.fia_usa.detector import FIAUSA
from detectors.weights import read_weights
from tests.detectors.fia_usa.backbones import Plain
from tests.detectors.fia_usa.conftest import SMALL
from tests.processes import run_all
from tests.training.portraits import PortraitFaces, make_rows
from training import RECIPE
from training.trainer import fit

KEYS = (*SMALL, "train_batchSize=8", "workers=0", "nEpochs=2", "options.passes=2")
STEPS = 3  # of an epoch: twelve reals, four in a batch


class KilledError(Exception):
    """Stands for the end of the process."""


class Stopping(FIAUSA):
    """Can end the run in one of its steps, of which nothing is saved; counts how often it chose channels."""

    killed_in = 0
    chosen = 0

    def after_step(self, step: int) -> None:
        if step + 1 == self.killed_in:
            raise KilledError

    def _channel_errors(self, batches: Batches) -> list[Tensor]:
        self.chosen += 1
        return super()._channel_errors(batches)


def run(out: Path, *overrides: str, group: Group = ALONE, killed_in: int = 0, resume: bool = False) -> Stopping:
    config = load_config(DetectorConfig, "fia_usa", (*KEYS, *overrides))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        detector = Stopping(config)
    detector.killed_in = killed_in
    quiet: dict[str, Any] = {"console": Console(file=io.StringIO()), "log_every": 1}
    faces = PortraitFaces(make_rows(fakes=False))
    fit(detector, faces, config, out, group=group, resume=resume, save_seconds=0, **quiet)
    return detector


def kept(weights: dict[str, Tensor]) -> list[list[int]]:
    return [weights[f"pyramid.affs.map{number}"].tolist() for number in range(4)]


def lines(out: Path, kind: str) -> list[dict[str, Any]]:
    return [line for text in (out / "log.jsonl").read_text().splitlines() if (line := json.loads(text))["kind"] == kind]


@pytest.mark.parametrize(("is_loose", "levels"), [(False, 0), (True, 2)], ids=["aligned", "loose"])
def test_real_and_fake_differ_only_where_the_mask_is(is_loose: bool, levels: int):
    """With the shipped composition: after flip, noise, hole and margins; loose crops but for what resizing rounds."""
    faces = PortraitFaces(make_rows(fakes=False), is_loose)
    config = load_config(DetectorConfig, "fia_usa", ["resolution=96"])
    recipe = RECIPE[config.dataset_type](faces, config)
    for index in range(len(faces)):
        sample = recipe.sample(index, np.random.default_rng(index))
        real, fake = sample["image"].astype(int)
        of_real, mask = sample["mask"][:, 0]
        assert sample["label"].tolist() == [0, 1]
        assert not of_real.any()
        assert mask.max() > 0.9
        changed = np.abs(real - fake).max(2)
        assert changed[mask == 0].max() <= levels
        assert (changed[mask > 0.9] > 0).mean() > 0.5


@pytest.mark.parametrize("overrides", [(), ("precision=bf16",)], ids=["fp32", "bf16"])
@pytest.mark.parametrize("step", [2, STEPS + 1])
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path: Path, step: int, overrides: tuple[str, ...]):
    """SAM, as it ships; the channels are chosen once."""
    whole = run(tmp_path / "whole", *overrides)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", *overrides, killed_in=step)
    resumed = run(tmp_path / "killed", *overrides, resume=True)
    files = [(tmp_path / folder / "last.safetensors").read_bytes() for folder in ("whole", "killed")]
    assert files[0] == files[1]
    assert (whole.chosen, resumed.chosen) == (1, 0)


def test_what_a_run_saves_scores_alike_and_its_log_has_the_losses(tmp_path: Path):
    detector = run(tmp_path, "precision=bf16").eval()
    loaded = load_detector(tmp_path, None, (), "cpu").detector.eval()
    saved, _ = read_weights(tmp_path / "last.safetensors")
    assert kept(saved) == kept(loaded.state_dict())
    assert kept(saved) != [list(range(count)) for count in (6, 8, 10, 12)]
    images = {"image": detector.example_batch(4, torch.Generator().manual_seed(0))["image"]}
    with torch.no_grad():
        assert torch.equal(*(one(images, inference=True)["prob"] for one in (detector, loaded)))
    for line in lines(tmp_path, "step"):
        assert 0 < line["train/pairs"] <= 1
        for name in ("patch", "image"):
            assert 0.05 < line[f"loss/{name}"] < 2.92


SHARED = ("backbone_name=plain",)


def share(group: Group, out: Path) -> None:
    BACKBONE._entries["plain"] = Plain  # in a process of its own
    detector = run(out / "run", *SHARED, group=group)
    torch.save(detector.state_dict(), out / f"{group.rank}.pt")


def test_two_processes_choose_and_train_like_one_with_the_joint_batch(tmp_path: Path):
    """Without batch statistics, under SAM: channels, losses and weights."""
    assert run_all(share, tmp_path / "two", size=2) == [0, 0]
    run(tmp_path / "one", *SHARED)
    mine, theirs = (torch.load(tmp_path / "two" / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    alone, _ = read_weights(tmp_path / "one" / "last.safetensors")
    assert kept(alone) == kept(mine)
    for name in alone:
        torch.testing.assert_close(mine[name], alone[name], rtol=1e-3, atol=1e-5)
    for one, two in zip(lines(tmp_path / "one", "step"), lines(tmp_path / "two" / "run", "step"), strict=True):
        named = {name for name in one if name.startswith(("train/", "loss/"))}
        assert {name: two[name] for name in named} == pytest.approx({name: one[name] for name in named}, rel=1e-3)
