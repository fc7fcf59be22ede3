"""GPU hours by counts alone: the operations that are written down are those of the networks, and sums are as said."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.suites.estimate import Hours, cells_of, configured, gflops, hours
from config.load import config_names, load_config, validate
from config.perturbation import PerturbationSuite
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from detectors import DETECTOR, build_detector
from tests.training.portraits import PortraitFaces, make_rows
from tests.training.stand_in import make_config, make_faces
from training import RECIPE
from training.epoch import images_shown

FFPP = "FaceForensics++"
VIDEOS = {"train": 720, "val": 140, "test": 140}  # of each of five classes, by the card


def entry(detector: str, backbone: str):
    (found,) = [one for one in gflops().networks if (one.detector, one.backbone) == (detector, backbone)]
    return found


def counted(work) -> float:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        work()
    return counter.get_total_flops() / 1e9


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("efficientnet_lite0", []),
        ("xception", []),
        ("sbi", []),
        ("realid", ["backbone_name=vit_b_16"]),
        ("fia_usa/at_380", []),
        ("prodet", []),
        ("recce", []),
        ("facexray_dfb", []),
    ],
)
def test_operations_of_scoring_are_the_networks(name: str, overrides: list[str]):
    config = load_config(DetectorConfig, name, [*overrides, "pretrained=null"])
    with torch.device("meta"):  # shapes are enough
        detector = DETECTOR[config.model_name](config).eval()
        image = torch.empty(2, 3, config.resolution, config.resolution)
    written = entry(config.model_name, config.backbone_name)
    assert written.pixels == config.resolution
    assert written.scoring == pytest.approx(counted(lambda: detector({"image": image}, inference=True)) / 2, abs=6e-4)
    assert written.passes == detector.passes_before_training


@pytest.mark.parametrize("name", ["efficientnet_lite0", "prodet", "ucf"])
def test_operations_of_training_are_the_networks_and_the_losses(name: str):
    """Two samples; bridges and transitions of ProDet, contents and decoder of UCF are of training alone."""
    config = load_config(DetectorConfig, name, ["pretrained=null"])
    detector = build_detector(config)
    size = 2 * RECIPE[config.dataset_type].members
    batch = detector.example_batch(size, torch.Generator().manual_seed(0))
    found = counted(lambda: detector.get_losses(batch, detector(batch))) / size
    written = entry(name, config.backbone_name)
    assert written.training == pytest.approx(found, abs=6e-4)
    assert (written.training > written.scoring) == (name in ("prodet", "ucf"))


def test_each_network_of_the_shipped_suites_is_in_the_table_once():
    pairs = [(one.detector, one.backbone) for one in gflops().networks]
    suites = [load_config(SuiteConfig, name) for name in config_names(SuiteConfig)]
    trained = [configured(row.detector, row.overrides(suite.train)) for suite in suites for row in suite.rows]
    needed = {(config.model_name, config.backbone_name) for config in trained}
    assert len(pairs) == len(set(pairs))
    assert needed <= set(pairs)


@pytest.mark.parametrize("name", RECIPE.names())
def test_images_of_an_epoch_are_told_from_the_counts(name: str):
    """Of as many faces as fill its batches."""
    if name in ("frames", "balanced"):
        faces, config = make_faces(real=8, fake=24), make_config(train_batchSize=8)
    else:
        rows, config = make_rows(people=4, frames=6).assign(method="swap"), make_config(train_batchSize=12)
        faces = PortraitFaces(rows)
        pseudofake = load_config(DetectorConfig, "sbi").pseudofake if RECIPE[name].makes_fakes else None
        config = config.model_copy(update={"dataset_type": name, "pseudofake": pseudofake})
    recipe = RECIPE[name](faces, config)
    shown = recipe.members * sum(map(len, recipe.batches(np.random.default_rng(0))))
    counts = np.bincount(faces.labels, minlength=2)
    assert images_shown(name, lambda label: int(counts[label])) == shown
    assert images_shown(name, lambda label: None) is None


def suite_of(*rows: dict, **changes) -> SuiteConfig:
    columns = [{"test": {"FF++": FFPP, "c40": f"{FFPP}_c40"}}]
    return validate(SuiteConfig, {"title": "A", "rows": rows, "columns": columns, "train": [FFPP], **changes}, "mine")


def row(detector: str, *overrides: str) -> dict:
    return {"name": f"{detector} {overrides}", "detector": detector, "set": list(overrides)}


def test_hours_are_images_times_operations_over_the_rate():
    b4 = entry("efficientnetb4", "efficientnetb4")
    rate = gflops().teraflops * 1e12 * 3600
    found = hours(cells_of(suite_of(row("efficientnetb4", "nEpochs=3"))))
    val = 3 * 32 * 5 * VIDEOS["val"]
    assert found.training * rate == pytest.approx(1e9 * b4.scoring * (3 * 3 * 32 * 5 * VIDEOS["train"] + val))
    assert found.scoring * rate == pytest.approx(1e9 * b4.scoring * 2 * 32 * 5 * VIDEOS["test"])
    larger = hours(cells_of(suite_of(row("efficientnetb4", "nEpochs=3", "resolution=512"))))
    assert larger.training == pytest.approx(4 * found.training)
    sam, plain = (
        hours(cells_of(suite_of(row("sbi", f"optimizer.type={kind}", "train_dataset=[FF-DF]"))))
        for kind in ("sam", "sgd")
    )
    step = 100 * 2 * 8 * VIDEOS["train"] * 3 * 1e9 * entry("sbi", "efficientnetb4_standard").training
    assert (sam.training - plain.training) * rate == pytest.approx(step)


def test_a_perturbed_cell_costs_all_views_and_a_shared_cell_counts_once():
    one = cells_of(suite_of(row("xception")))
    again = cells_of(suite_of(row("xception"), row("xception", "workers=8")))
    assert hours(again) == hours(one)
    assert hours({**one, **cells_of(suite_of(row("xception"), seeds=[1024]))}).cells == len(one)
    clean, noisy = (
        hours(cells_of(suite_of(row("xception"), columns=[{"test": [FFPP], **more}])))
        for more in ({}, {"perturb": "levels"})
    )
    levels = load_config(PerturbationSuite, "levels")
    views = 1 + levels.draws * sum(map(len, levels.perturbations.values()))
    assert noisy.scoring == pytest.approx(views * clean.scoring)


def test_what_no_card_says_is_left_out_and_said():
    found = hours(cells_of(suite_of(row("xception"), columns=[{"test": [FFPP, "simswap_ff"]}])))
    assert (found.unknown, found.cells) == (1, 3)
    assert str(found).endswith("+")
    nothing = suite_of(row("xception", "train_dataset=[simswap_ff]"), columns=[{"test": ["DiFF"]}])
    assert str(hours(cells_of(nothing))) == "–"
    assert [str(Hours(*each, 0, 1)) for each in ((1, 0.26), (1200, 34.4))] == ["1.3", "1,234"]
    assert hours(cells_of(suite_of(row("xception", "backbone_name=resnet50")))).unknown == 3
