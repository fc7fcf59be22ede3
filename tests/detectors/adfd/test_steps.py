"""Optimiser steps with weights: SAM followed by hand on two parameters, accumulation, reduced precision."""

import math

import pytest
import torch
from torch import Tensor

from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.adfd.detector import ADFD
from tests.detectors.adfd.conftest import SMALL
from training.step import Stepper

CPU = torch.device("cpu")
# (x, y, label) of images: two reals, and fakes at several angles to the centre (1, 0).
POINTS = [(1.0, 0.2, 0), (0.7, -0.3, 0), (1.0, 0.5, 1), (0.9, 1.4, 1), (0.2, 1.0, 1), (1.2, -0.9, 1)]
ELAPSED = 0.3  # epoch 60 of 100, beta 200


def images(points: list[tuple[float, float, int]]) -> dict[str, Tensor]:
    flat = torch.tensor([[x, y, 0.0] for x, y, _ in points])
    return {
        "image": flat[:, :, None, None].expand(-1, -1, 4, 4).contiguous(),
        "label": torch.tensor([label for *_, label in points]),
    }


def stepper_of(*overrides: str) -> tuple[ADFD, Stepper]:
    """In epoch 60, with the centre (1, 0) and, of no use, (-1, 0)."""
    config = load_config(DetectorConfig, "adfd", [*SMALL, *overrides])
    detector = build_detector(config)
    assert isinstance(detector, ADFD)
    detector.on_epoch_start(59)
    memory = detector.memory
    memory.centres.zero_()
    memory.centres[:, 0] = torch.tensor([1.0, -1.0])
    memory.clustered.fill_(2)
    return detector.train(), Stepper(detector, config, CPU)


def weights_by_hand(a: float) -> list[float]:
    weights = []
    for x, y, label in POINTS:
        distance = 1 - x / math.hypot(x, a * y)
        weights.append(distance * ELAPSED + 1 - ELAPSED if label == 1 and distance < 0.5 else 1.0)
    return weights


def gradient_by_hand(a: float, b: float, weights: list[float]) -> tuple[float, float]:
    """Of the mean of w CE: dCE/dz = sigmoid(z) - y, with z = b (x + a y)."""
    by_a = by_b = 0.0
    for (x, y, label), weight in zip(POINTS, weights, strict=True):
        error = weight * (1 / (1 + math.exp(-b * (x + a * y))) - label) / len(POINTS)
        by_a += error * b * y
        by_b += error * (x + a * y)
    return by_a, by_b


def sam_by_hand(a: float, b: float, reused: bool, lr: float = 0.5, rho: float = 0.4) -> tuple[float, float]:
    weights = weights_by_hand(a)
    climb = gradient_by_hand(a, b, weights)
    top = [value + rho * part / math.hypot(*climb) for value, part in zip((a, b), climb, strict=True)]
    down = gradient_by_hand(*top, weights if reused else weights_by_hand(top[0]))
    return a - lr * down[0], b - lr * down[1]


SHARP = ("optimizer.type=sam", "optimizer.sam.lr=0.5", "optimizer.sam.momentum=0", "optimizer.sam.rho=0.4")


@pytest.mark.parametrize("parts", [1, 2, 3], ids=["one batch", "two accumulated", "three accumulated"])
def test_sam_steps_with_the_weights_of_its_first_pass(parts: int):
    """Also over accumulated batches, which weigh as one; weights taken anew in the second pass would step elsewhere."""
    _, stepper = stepper_of("backbone_name=linear", *SHARP)
    backbone = stepper.detector.backbone
    expected = sam_by_hand(0.8, 0.5, reused=True)
    otherwise = sam_by_hand(0.8, 0.5, reused=False)
    assert math.dist(expected, otherwise) > 1e-3, "the case must tell the two apart"
    size = len(POINTS) // parts
    batches = [images(POINTS[start : start + size]) for start in range(0, len(POINTS), size)]
    _, metrics = stepper.step(batches)
    assert (float(backbone.a.detach()), float(backbone.b.detach())) == pytest.approx(expected, abs=1e-6)
    assert float(metrics["candidates"]) == 2


def test_accumulated_batches_are_remembered_like_one():
    memories = []
    data = images([(x + 0.01 * number, y, 0) for number, (x, y, _) in enumerate(POINTS)])
    for parts in (1, 3):
        detector, stepper = stepper_of("backbone_name=linear", *SHARP, "options.filter=predicts")
        with torch.no_grad():
            detector.backbone.b.fill_(-1)
        stepper.step([dict(zip(data, part, strict=True)) for part in zip(*(v.chunk(parts) for v in data.values()))])  # noqa: B905
        memories.append(detector.memory)
    assert bool((memories[0].ranks > 0).any())
    assert torch.equal(memories[0].ranks, memories[1].ranks)
    assert torch.equal(memories[0].features, memories[1].features)


@pytest.mark.parametrize("batches", [1, 2])
def test_sam_under_bfloat16_takes_weights_of_the_first_pass(batches: int):
    detector, stepper = stepper_of("backbone_name=plain", *SHARP, "precision=bf16", "options.threshold=1")
    seen: list[tuple[bool, Tensor]] = []
    losses = detector.get_losses

    def watched(data_dict, pred_dict):
        assert pred_dict["feat"].dtype == torch.bfloat16
        seen.append((detector._is_first_pass, pred_dict["weight"]))
        return losses(data_dict, pred_dict)

    detector.get_losses = watched  # type: ignore[method-assign]
    before = [parameter.detach().clone() for parameter in detector.parameters()]
    scalars, _ = stepper.step([detector.example_batch(8, torch.Generator().manual_seed(n)) for n in range(batches)])
    assert [is_first for is_first, _ in seen] == [True] * batches + [False] * batches
    for (_, first), (_, second) in zip(seen[:batches], seen[batches:], strict=True):
        assert first.dtype == torch.float32
        assert bool((first < 1).any())
        assert torch.equal(first, second)
    assert bool(scalars["overall"].isfinite())
    after = list(detector.parameters())
    assert all(bool(new.isfinite().all()) and not torch.equal(old, new) for old, new in zip(before, after, strict=True))
