"""CORE: the consistency of two views against its formula, and that it compares views of the same face."""

import math

import numpy as np
import pytest
import torch

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import BACKBONE, LOSSFUNC, build_detector
from detectors.base import FitContext
from detectors.core import Core
from tests.detectors.small import Small


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)

    def make(*overrides: str) -> Core:
        own = ["backbone_name=small", "pretrained=null", "resolution=32"]
        return build_detector(load_config(DetectorConfig, "core", [*own, *overrides]))

    return make


def batch(detector: Core, size: int = 8) -> dict[str, torch.Tensor]:
    return detector.example_batch(size, torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("degrees", "expected"), [(0, 0), (60, 0.25), (90, 1), (120, 2.25), (180, 4)])
def test_consistency_is_the_squared_distance_of_the_cosine_from_1_whatever_the_lengths(degrees, expected):
    first = torch.tensor([[3.0, 0.0]])
    second = 0.2 * torch.tensor([[math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]])
    loss = LOSSFUNC["consistency_loss"]()(first, second)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_losses_are_cross_entropy_of_both_views_and_the_weighted_consistency_of_pairs(build, weight):
    detector = build(f"options.consistency_weight={weight}").eval()
    data = batch(detector)
    predictions = detector(data)
    losses = {key: value.item() for key, value in detector.get_losses(data, predictions).items()}
    logits = predictions["cls"].detach().double().numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    cross_entropy = -np.log(shares[np.arange(8), data["label"].numpy()]).mean()
    pooled = predictions["feat"].detach().double().numpy().mean((2, 3))
    pairs = [(pooled[index], pooled[index + 4]) for index in range(4)]
    consistency = np.mean([(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) ** 2 for a, b in pairs])
    assert losses["cls"] == pytest.approx(cross_entropy, rel=1e-5)
    assert losses["consistency"] == pytest.approx(consistency, rel=1e-3)
    assert losses["overall"] == pytest.approx(cross_entropy + weight * consistency, rel=1e-5)


def test_equal_views_are_consistent_and_other_faces_are_not(build):
    detector = build().eval()
    data = batch(detector)
    equal = data | {"image": data["image"][:4].repeat(2, 1, 1, 1)}
    losses = [detector.get_losses(one, detector(one))["consistency"].item() for one in (equal, data)]
    assert losses[0] == pytest.approx(0, abs=1e-10)
    assert losses[1] > 1e-6


def test_it_is_trained_by_two_views_alone(build):
    detector = build("dataset_type=frames")
    context = FitContext(torch.device("cpu"), 1, list, torch.Generator())
    sentence = "dataset_type: core compares two views of each face, so expected 'two_views', not 'frames'"
    with pytest.raises(InputError, match=sentence):
        detector.on_fit_start(context)


def test_a_single_loss_is_the_classs(build):
    assert build("loss_func=cross_entropy").loss_func.keys() == {"cls", "consistency"}
    with pytest.raises(InputError, match="con_los'; did you mean 'con_loss'"):
        build("loss_func={con_los: bce}")
