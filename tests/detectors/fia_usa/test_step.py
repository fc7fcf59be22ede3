"""Whole training steps against a network, losses and optimisers that are written out in float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from detectors.fia_usa.detector import FIAUSA
from tests.detectors.fia_usa.conftest import Build
from training.step import Stepper

Weights = dict[str, Tensor]
PAIRS, STEPS, RATE, MOMENTUM, RADIUS = 3, 3, 1e-3, 0.9, 0.05
WEIGHTS = (1, 2.5, 0.25)
REGIONS = ((slice(9, 40), slice(5, 44)), (slice(32, 60), slice(12, 32)), (slice(1, 3), slice(1, 3)))
"""Of the fakes' masks; the last is less than a cell of the finest map, so that its pair has no part in RCR."""


def batch(seed: int) -> dict[str, Tensor]:
    image = torch.randn(2 * PAIRS, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(2 * PAIRS, 1, 64, 64)
    for one, region in zip(mask[PAIRS:, 0], REGIONS, strict=True):
        one[region] = 1
    return {"image": image * (1 + mask), "mask": mask, "label": torch.arange(2).repeat_interleave(PAIRS)}


def finest_map(weights: Weights, images: Tensor, kept: list[list[int]]) -> Tensor:
    """H: tanh stages, of each the kept channels, 1x1 convolutions, doubled and added from the coarsest, 3x3."""
    laterals, above = [], images
    for level, (stride, channels) in enumerate(zip((4, 2, 2, 2), kept, strict=True)):
        block, lateral = f"backbone.blocks.{level}.0", f"pyramid.merge.top_down.lateral.{level}"
        above = F.conv2d(above, weights[f"{block}.weight"], weights[f"{block}.bias"], stride, 1).tanh()
        matrix = weights[f"{lateral}.weight"][:, :, 0, 0]
        mixed = torch.einsum("oc,nchw->nohw", matrix, above[:, channels])
        laterals.append(mixed + weights[f"{lateral}.bias"][:, None, None])
    merged = laterals.pop()
    while laterals:
        merged = laterals.pop() + merged.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return F.conv2d(merged, weights["pyramid.merge.smooth.0.weight"], weights["pyramid.merge.smooth.0.bias"], 1, 1)


def delta(one: Tensor, other: Tensor) -> Tensor:
    """The mean cosine of all pairs of pixels (C, n) and (C, m), by its n x m terms."""
    one, other = (pixels / pixels.square().sum(0).sqrt() for pixels in (one, other))
    return (one.T @ other).mean()


def losses(weights: Weights, data: dict[str, Tensor], kept: list[list[int]]) -> list[Tensor]:
    """Cross-entropy of one logit, PCR and ICR, as equations 4 and 6 print them."""
    found = finest_map(weights, data["image"].double(), kept)
    logits = found.mean((2, 3)) @ weights["last_layer.weight"].T + weights["last_layer.bias"]
    logit = logits[:, 1] - logits[:, 0]
    entropy = torch.log1p(torch.exp(torch.where(data["label"] == 1, -logit, logit))).mean()
    sums: list[Tensor] = []
    for real, fake, mask in zip(found[:PAIRS], found[PAIRS:], data["mask"][PAIRS:, 0].double(), strict=True):
        share = mask.unflatten(0, (16, 4)).unflatten(2, (16, 4)).mean((1, 3))
        inside, outside = share >= 0.95, share <= 0.05
        if inside.any() and outside.any():
            deltas = (
                delta(real[:, inside], real[:, outside]),
                delta(fake[:, inside], fake[:, outside]),
                delta(real[:, outside], fake[:, outside]),
                delta(real[:, inside], fake[:, inside]),
            )
            sums.append(torch.stack([torch.exp(one / 0.7) for one in deltas]))
    assert len(sums) == PAIRS - 1
    patch_near, patch_far, image_near, image_far = torch.stack(sums).sum(0)
    patch, image = patch_near / (patch_near + patch_far), image_near / (image_near + image_far)
    return [entropy, -patch.log(), -image.log()]


class Optimiser:
    """SGD with momentum under SAM, or Adam, of arrays in float64."""

    def __init__(self, kind: str, decay: float) -> None:
        self.kind, self.decay = kind, decay
        self.first: dict[str, Tensor] = {}
        self.second: dict[str, Tensor] = {}

    def step(self, weights: Weights, gradient, number: int) -> Weights:
        slope = gradient(weights)
        if self.kind == "sam":
            length = math.sqrt(sum(float(one.square().sum()) for one in slope.values()))
            slope = gradient({name: weights[name] + RADIUS * one / length for name, one in slope.items()})
        return {name: self.moved(name, weights[name], one, number) for name, one in slope.items()}

    def moved(self, name: str, weight: Tensor, slope: Tensor, number: int) -> Tensor:
        slope = slope + self.decay * weight
        if self.kind == "sam":
            self.first[name] = MOMENTUM * self.first.get(name, 0) + slope
            return weight - RATE * self.first[name]
        self.first[name] = 0.9 * self.first.get(name, 0) + 0.1 * slope
        self.second[name] = 0.999 * self.second.get(name, 0) + 0.001 * slope.square()
        mean, square = self.first[name] / (1 - 0.9**number), self.second[name] / (1 - 0.999**number)
        return weight - RATE * mean / (square.sqrt() + 1e-8)


def choose_some(detector: FIAUSA) -> list[list[int]]:
    """Other channels than the first ones of each stage."""
    generator = torch.Generator().manual_seed(1)
    for kept, channels in zip(detector.pyramid.affs.kept, detector.backbone.stage_channels, strict=True):
        kept.copy_(torch.randperm(channels, generator=generator)[: len(kept)].sort().values)
    return [kept.tolist() for kept in detector.pyramid.affs.kept]


@pytest.mark.parametrize(("kind", "decay"), [("sam", 0.0), ("adam", 5e-4)])
def test_steps_are_those_of_equations_4_to_7_in_float64(build: Build, kind: str, decay: float):
    torch.manual_seed(3)
    keys = (f"optimizer.type={kind}", f"optimizer.adam.lr={RATE}")
    detector = build("backbone_name=plain", *keys).train()
    kept = choose_some(detector)
    stepper = Stepper(detector, detector.config, torch.device("cpu"))
    own = {name: one for name, one in detector.named_parameters() if one.requires_grad}
    expected = {name: one.detach().double() for name, one in own.items()}
    start = {name: one.clone() for name, one in expected.items()}
    optimiser = Optimiser(kind, decay)
    for number in range(1, STEPS + 1):
        data = batch(number)

        def gradient(weights: Weights, data=data) -> Weights:
            leaves = {name: one.clone().requires_grad_() for name, one in weights.items()}
            total = sum(weight * loss for weight, loss in zip(WEIGHTS, losses(leaves, data, kept), strict=True))
            return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))

        parts = [float(one) for one in losses(expected, data, kept)]
        expected = optimiser.step(expected, gradient, number)
        found, _ = stepper.step([data])
        names = ("classification", "patch", "image")
        assert [float(found[name]) for name in names] == pytest.approx(parts, abs=1e-5)
        assert float(found["overall"]) == pytest.approx(np.dot(WEIGHTS, parts), abs=1e-5)
    for name, one in own.items():
        assert (expected[name] - start[name]).abs().max() > 1e-5, name
        torch.testing.assert_close(one.detach().double(), expected[name], rtol=0, atol=3e-7)
