"""Every registered detector passes every check, and every check catches what it is there for."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

from config.load import load_config
from config.schema import DetectorConfig
from detectors import DETECTOR, build_detector, conformance
from detectors.base import AbstractDetector, FitContext
from detectors.conformance import CHECKS, Case, ConformanceError
from tests.detectors.registered import REGISTERED, small_config


@cache
def case(name: str) -> Case:
    return Case.of(small_config(name))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.usefixtures("shallow")
def test_detector(name: str, check: Callable[[Case], None]):
    check(case(name))


class Tiny(AbstractDetector):
    """A sound detector of one convolution, that each of the faulty ones below spoils in one way."""

    def build_backbone(self, config: DetectorConfig) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.head = nn.Linear(8, 2)

    def features(self, data_dict):
        return self.backbone(data_dict["image"])

    def classifier(self, features):
        return self.head(features.mean((2, 3)))


class Sharpened(Tiny):
    def forward(self, data_dict, inference=False):
        return super().forward(data_dict) | {"prob": super().forward(data_dict)["prob"] ** 2}


class Constant(Tiny):
    def classifier(self, features):
        return super().classifier(features * 0)


class HalfPrecision(Tiny):
    def forward(self, data_dict, inference=False):
        predictions = super().forward(data_dict, inference)
        return predictions | {"prob": predictions["cls"].softmax(1)[:, 1].to(predictions["cls"].dtype).half()}


class NeedsLabels(Tiny):
    def forward(self, data_dict, inference=False):
        return super().forward(data_dict) if data_dict["label"] is not None else {}


class Noisy(Tiny):
    def classifier(self, features):
        return super().classifier(features + torch.rand_like(features))


class LooksAtNeighbours(Tiny):
    def classifier(self, features):
        return super().classifier(features - features.mean(0))


class Forgets(Tiny):
    """Keeps what it learnt outside its state dict."""

    def on_epoch_start(self, epoch: int) -> None:
        self.shift = torch.tensor([5.0, 0.0])

    def classifier(self, features):
        return super().classifier(features) + getattr(self, "shift", torch.zeros(2))


class IdleLayer(Tiny):
    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.idle = nn.Linear(4, 4)


class InfiniteLoss(Tiny):
    def get_losses(self, data_dict, pred_dict):
        return {"overall": super().get_losses(data_dict, pred_dict)["overall"] * float("inf")}


class NoOverall(Tiny):
    def get_losses(self, data_dict, pred_dict):
        return {"total": super().get_losses(data_dict, pred_dict)["overall"]}


class VectorLoss(Tiny):
    def get_losses(self, data_dict, pred_dict):
        return super().get_losses(data_dict, pred_dict) | {"each": pred_dict["prob"]}


FAULTS = [
    (Sharpened, conformance.prediction, "not the softmax"),
    (Constant, conformance.prediction, "same score"),
    (HalfPrecision, conformance.prediction, "float16"),
    (Noisy, conformance.determinism, "different scores"),
    (LooksAtNeighbours, conformance.independence, "other images"),
    (Forgets, conformance.round_trip, "saved and loaded"),
    (IdleLayer, conformance.training_step, "2 trainable parameters: idle.weight, idle.bias"),
    (InfiniteLoss, conformance.training_step, "finite"),
    (NoOverall, conformance.training_step, "no 'overall'"),
    (VectorLoss, conformance.training_step, "'each' is not one"),
    (InfiniteLoss, conformance.mixed_precision, "not finite under bfloat16"),
]


@pytest.fixture
def tiny_config(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Tiny]], DetectorConfig]:
    def register(detector_class: type[Tiny]) -> DetectorConfig:
        monkeypatch.setitem(DETECTOR._entries, "tiny", detector_class)
        return DetectorConfig(model_name="tiny", backbone_name="none", resolution=16)

    return register


def test_a_case_does_not_depend_on_what_ran_before():
    """EfficientNet-B4 drops layers in training mode, by torch's own generator."""
    config = load_config(DetectorConfig, "efficientnetb4", ["resolution=32"])
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(Case.of(config).detector.state_dict())
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())


def test_a_sound_detector_passes_all(tiny_config):
    conformance.check_detector(tiny_config(Tiny))


@pytest.mark.parametrize(("faulty", "check", "message"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_caught(tiny_config, faulty, check, message):
    spoilt = Case.of(tiny_config(faulty))
    with pytest.raises(ConformanceError, match=message):
        check(spoilt)


def test_check_detector_runs_every_check(tiny_config):
    with pytest.raises(ConformanceError):
        conformance.check_detector(tiny_config(IdleLayer))


def test_inference_may_use_the_image_alone(tiny_config):
    with pytest.raises(KeyError):
        conformance.prediction(Case.of(tiny_config(NeedsLabels)))


class LooksTwice(Tiny):
    """Makes two passes over the batches before training, and says that it is one."""

    passes_before_training = 1

    def on_fit_start(self, context: FitContext) -> None:
        for _ in range(2):
            assert list(context.batches())


def test_passes_before_training_are_as_many_as_a_detector_says(tiny_config):
    with pytest.raises(ConformanceError, match="on_fit_start makes 2 passes, but passes_before_training is 1"):
        conformance.check_detector(tiny_config(LooksTwice))


def test_hooks_come_before_the_checks_in_the_loops_order(tiny_config):
    calls = []

    class Recorder(Tiny):
        def on_fit_start(self, context: FitContext) -> None:
            calls.append("fit")
            assert next(iter(context.batches()))["image"].shape == (4, 3, 16, 16)

        def on_epoch_start(self, epoch: int) -> None:
            calls.append(f"epoch {epoch}")

        def after_step(self, step: int) -> None:
            calls.append(f"step {step}")

        def on_epoch_end(self, epoch: int) -> None:
            calls.append(f"end {epoch}")

    conformance.training_step(Case.of(tiny_config(Recorder)))
    assert calls == ["fit", "epoch 0", "step 0", "end 0"]


def test_the_hooks_default_to_nothing(tiny_config):
    detector = build_detector(tiny_config(Tiny))
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    detector.on_fit_start(FitContext(torch.device("cpu"), 1, list, torch.Generator()))
    detector.on_epoch_start(0)
    detector.after_step(0)
    detector.on_epoch_end(0)
    assert all(torch.equal(before[key], value) for key, value in detector.state_dict().items())
