"""Grad-CAM on networks whose maps are worked out by hand, and on every registered detector."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from config.errors import InputError
from config.schema import BackboneConfig, DetectorConfig
from detectors import DETECTOR
from detectors.base import AbstractDetector, fake_probability
from detectors.conformance import Case
from evaluation.gradcam import grad_cam
from tests.detectors.registered import REGISTERED, small_config

IMAGES = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).reshape(2, 3, 8, 8) / 100
POOLED = F.avg_pool2d(IMAGES, 4)  # (2, 3, 2, 2)


class Pooled(AbstractDetector):
    """Its map is the image, pooled to 2 x 2; its logits are a linear layer of the map's mean over space."""

    def build_backbone(self, config: DetectorConfig) -> nn.Module:
        return nn.Sequential(nn.AvgPool2d(4), nn.Dropout(0.5))

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.head = nn.Linear(3, 2)

    def features(self, data_dict):
        return self.backbone(data_dict["image"])

    def classifier(self, features):
        return self.head(features.mean((2, 3)))


class Flat(Pooled):
    def features(self, data_dict):
        return super().features(data_dict).mean((2, 3))

    def classifier(self, features):
        return self.head(features)


class OneCell(Pooled):
    def features(self, data_dict):
        return super().features(data_dict).mean((2, 3), keepdim=True)


class OtherFeature(Pooled):
    """Its feature is a map, but not the one that the logits come from."""

    def forward(self, data_dict, inference=False):
        return super().forward(data_dict) | {"feat": data_dict["image"] * 2}


class CutOff(Pooled):
    """No derivative leads past its logits."""

    def classifier(self, features):
        return super().classifier(features).detach()


class NeedsLandmarks(Pooled):
    def classifier(self, features):
        return super().classifier(features) + self.shift

    def forward(self, data_dict, inference=False):
        self.shift = data_dict["landmark"].mean((1, 2))[:, None] * torch.tensor([0.0, 1.0])
        return super().forward(data_dict)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractDetector]:
    """Make a detector whose logit of "fake" has the given weights of red, green and blue, that of "real" others."""

    def make(kind: type[AbstractDetector], weights=(1.0, 0.0, 0.0)) -> AbstractDetector:
        monkeypatch.setitem(DETECTOR._entries, "pooled", kind)
        detector = kind(DetectorConfig(model_name="pooled", backbone_name="none", resolution=16))
        with torch.no_grad():
            detector.head.weight.copy_(torch.tensor([[5.0, -7.0, 3.0], weights]))
        return detector

    return make


def test_the_map_of_one_channel_is_that_channel_over_its_maximum(build):
    detector = build(Pooled, (2.0, 0.0, 0.0))
    maps, prob = grad_cam(detector, IMAGES)
    red = POOLED[:, 0].numpy()
    np.testing.assert_allclose(maps, red / red.max(axis=(1, 2), keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(prob, fake_probability(detector.head(POOLED.mean((2, 3)))).detach(), rtol=1e-5)


def test_channels_are_added_up_by_their_weights(build):
    images = torch.zeros(1, 3, 8, 8)
    images[0, 0, :4, :4] = 8.0  # red above left, green above right, blue below left
    images[0, 1, :4, 4:] = 2.0
    images[0, 2, 4:, :4] = 1.0
    maps, _ = grad_cam(build(Pooled, (1.0, 2.0, -4.0)), images)
    # 1 * 8, 2 * 2, -4 * 1 and 0, over 8; what is negative is 0.
    np.testing.assert_allclose(maps, [[[1.0, 0.5], [0.0, 0.0]]], rtol=1e-6)


def test_where_nothing_speaks_for_fake_the_map_is_0(build):
    maps, prob = grad_cam(build(Pooled, (-1.0, 0.0, 0.0)), IMAGES)
    assert (maps == 0).all()
    assert np.isfinite(prob).all()


def test_an_image_has_its_map_whatever_else_is_in_the_batch(build):
    detector = build(Pooled, (1.0, -0.5, 0.2))
    together, alone = grad_cam(detector, IMAGES), grad_cam(detector, IMAGES[1:])
    np.testing.assert_array_equal(together[0][1:], alone[0])
    np.testing.assert_array_equal(together[1][1:], alone[1])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_mode_gradients_and_parameters_stay_as_they_were(build, training: bool, mode):
    detector = build(Pooled).train(training)
    detector.head.bias.requires_grad_(False)
    detector.head.weight.grad = torch.full((2, 3), 7.0)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with mode():
        expected = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        maps, _ = grad_cam(detector, IMAGES.clone())
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == expected
    assert maps.max() == 1
    assert detector.training == detector.backbone.training == training
    assert (detector.head.weight.grad == 7).all()
    assert detector.head.weight.requires_grad
    assert not detector.head.bias.requires_grad
    assert all(torch.equal(before[key], value) for key, value in detector.state_dict().items())


def test_frozen_parameters_are_no_hindrance(build):
    detector = build(Pooled)
    expected = grad_cam(detector, IMAGES)[0]
    np.testing.assert_array_equal(grad_cam(detector.requires_grad_(False), IMAGES)[0], expected)


def test_landmarks_reach_the_detector(build):
    detector = build(NeedsLandmarks)
    _, low = grad_cam(detector, IMAGES, torch.zeros(2, 81, 2))
    _, high = grad_cam(detector, IMAGES, torch.tensor([0.0, 3.0])[:, None, None].expand(2, 81, 2))
    assert high[0] == low[0]
    assert high[1] > low[1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Flat, r"pooled: Grad-CAM needs a map \(B, C, h, w\) as 'feat', not one of shape \(1, 3\)"),
        (OneCell, "pooled: Grad-CAM needs a map of several cells as 'feat', not of one; .* backbone_config.mode=mean"),
        (OtherFeature, "pooled: Grad-CAM needs logits 'cls' that are computed from 'feat'"),
        (CutOff, "pooled: Grad-CAM needs logits 'cls' that are computed from 'feat'"),
    ],
)
def test_a_detector_without_such_a_map_is_refused(build, kind, message: str):
    detector = build(kind).train()
    with pytest.raises(InputError, match=message):
        grad_cam(detector, IMAGES)
    assert detector.training


SEEDS = {"ucf": 1}  # where at the shipped one all of a random network's map speaks for real


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.usefixtures("shallow")
def test_every_registered_detector_has_maps(name: str):
    config = small_config(name)
    config = config.model_copy(update={"manualSeed": SEEDS.get(name, config.manualSeed)})
    if config.backbone_name.startswith("vit_"):  # whose class token, what the default mode classifies, has no place
        config = config.model_copy(update={"backbone_config": BackboneConfig(mode="mean")})
    case = Case.of(config)
    images = case.batch["image"]
    maps, prob = grad_cam(case.detector, images)
    with torch.no_grad():
        expected = case.detector.eval()({"image": images}, inference=True)
    assert maps.shape == (len(images), *expected["feat"].shape[2:])
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert set(maps.max(axis=(1, 2))) <= {0.0, 1.0}
    assert maps.any()
    np.testing.assert_allclose(prob, expected["prob"], atol=1e-5)
