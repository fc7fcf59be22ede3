"""The parts of a detector as they are timed alone: what they are given, and that together they do the whole work."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from benchmark.perf.parts import Call, by_part, record_calls
from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import AbstractDetector, DataDict, PredDict, fake_probability
from tests.training.stand_in import TinyBackbone, make_config
from training.step import Objective

SIZE = 8


class TwoMaps(nn.Module):
    """A fine and a coarse map, of which the fine one is made of the coarse one."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse, self.fine = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, features: Tensor, *, factor: float) -> list[Tensor]:
        coarse = self.coarse(features)
        return [self.fine(coarse) * factor, coarse]


class Whole(nn.Module):
    """Calls a part that is a part by itself as well."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.outer = inner, nn.Linear(8, 2)

    def forward(self, pooled: dict[str, Tensor]) -> Tensor:
        return self.outer(self.inner(pooled["mean"]))


class Parted(AbstractDetector):
    """Parts of all kinds: in lists, used twice, used within another, that change their input, that are never used."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.maps = TwoMaps()
        self.heads = nn.ModuleList([nn.Linear(8, 2), nn.Linear(8, 2)])
        self.last = nn.ModuleDict({"deep": nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 8))})
        self.whole = Whole(self.last["deep"])
        self.unused = nn.Linear(8, 2)
        self.teacher = nn.Linear(8, 2).requires_grad_(False)

    def build_backbone(self, config: DetectorConfig) -> TinyBackbone:
        return TinyBackbone(config.backbone_config, norm=False)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        fine, coarse = self.maps(self.features(data_dict), factor=0.5)
        pooled = (fine + coarse).mean((2, 3))
        with torch.no_grad():
            target = self.teacher(pooled)
        first, second = (head(pooled[half::2]) for half, head in enumerate(self.heads))
        logits = torch.cat([first, second]) + self.heads[0](pooled) + target
        logits = logits + self.whole({"mean": pooled.clone()})
        return {"cls": logits, "prob": fake_probability(logits), "feat": fine}


class Staged(AbstractDetector):
    """Classifies from the feature map and from the finest stage, of a single pass."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.finest = nn.Linear(self.backbone.stage_channels[0], 2)

    def forward(self, data_dict: DataDict, inference: bool = False) -> PredDict:
        stages = self.backbone.stages(data_dict["image"])
        features = self.backbone.features_of_stage(stages[-1])
        logits = self.classifier(features) + self.finest(stages[0].mean((2, 3)))
        return {"cls": logits, "prob": fake_probability(logits), "feat": features}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def recorded(detector: AbstractDetector, size: int = SIZE) -> tuple[list[Call], dict[str, Tensor]]:
    """The calls of one pass, and the gradients that it gave."""
    batch = detector.example_batch(size, torch.Generator().manual_seed(0))

    def work() -> None:
        torch.manual_seed(0)
        Objective(detector)(batch)[0]["overall"].backward()

    return record_calls(detector, work), gradients(detector)


def gradients(detector: AbstractDetector) -> dict[str, Tensor]:
    given = {name: each.grad for name, each in detector.named_parameters() if each.grad is not None}
    detector.zero_grad()
    return given


def parted() -> Parted:
    torch.manual_seed(1)
    return Parted(make_config())


def shapes(call: Call) -> list[tuple[int, ...]]:
    return [tuple(given.shape) for given in call.arguments if isinstance(given, Tensor)]


def test_each_use_of_a_part_is_recorded_once_with_what_it_was_given():
    calls, _ = recorded(parted())
    used = [(call.part, shapes(call)) for call in calls]
    assert used == [
        ("backbone.features", [(SIZE, 3, 24, 24)]),
        ("maps", [(SIZE, 8, 5, 5)]),
        ("teacher", [(SIZE, 8)]),
        ("heads.0", [(SIZE // 2, 8)]),
        ("heads.1", [(SIZE // 2, 8)]),
        ("heads.0", [(SIZE, 8)]),
        ("whole", []),
        ("loss_func", [(SIZE, 2), (SIZE,)]),
    ]
    parts = by_part(calls)
    assert ", ".join(parts) == "backbone.features, maps, teacher, heads.0 (2), heads.1, whole, loss_func"
    assert parts["heads.0 (2)"] == [calls[3], calls[5]]
    last = {call.part: call for call in calls}
    assert last["maps"].keywords == {"factor": 0.5}
    assert last["whole"].arguments[0]["mean"].requires_grad
    assert not last["backbone.features"].arguments[0].requires_grad
    assert not last["teacher"].with_gradients
    assert {part: len(call.gradients) for part, call in last.items()} == {
        "backbone.features": 1, "maps": 2, "teacher": 0, "heads.0": 1, "heads.1": 1, "whole": 1, "loss_func": 1
    }  # fmt: skip


def test_the_parts_alone_give_the_gradients_of_the_step_however_often_they_are_repeated():
    detector = parted()
    calls, expected = recorded(detector)
    idle = ("backbone.head", "unused", "teacher")
    assert set(expected) == {name for name, _ in detector.named_parameters() if not name.startswith(idle)}
    for _ in range(2):
        for call in calls:
            call.again()
        found = gradients(detector)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-7)


def test_a_recorded_detector_is_left_as_it_was():
    detector = parted()
    weights = {name: each.clone() for name, each in detector.named_parameters()}
    before = {name: set(vars(module)) for name, module in detector.named_modules()}
    own = detector.unused.forward = lambda given: given  # a module may have a method of its own
    before["unused"].add("forward")
    recorded(detector)
    assert {name: set(vars(module)) for name, module in detector.named_modules()} == before
    assert detector.unused.forward is own
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in detector.modules())
    for name, each in detector.named_parameters():
        torch.testing.assert_close(each, weights[name], rtol=0, atol=0)


def test_a_pass_that_fails_leaves_no_trace():
    detector = parted()

    def fail() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        record_calls(detector, fail)
    assert not any("forward" in vars(module) or "features" in vars(module) for module in detector.modules())


def test_the_type_that_autocast_computed_in_is_kept():
    detector = parted()
    batch = detector.example_batch(SIZE, torch.Generator().manual_seed(0))

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            losses, _ = Objective(detector)(batch)
        losses["overall"].backward()

    calls = record_calls(detector, work)
    assert {call.autocast for call in calls} == {("cpu", torch.bfloat16)}
    last = {call.part: call for call in calls}
    assert last["maps"].gradients[1].dtype == torch.bfloat16
    expected = gradients(detector)
    for call in calls:
        call.again()
    for name, gradient in gradients(detector).items():
        torch.testing.assert_close(gradient, expected[name], rtol=0.02, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "size", "parts"),
    [
        (
            "prodet",
            8,
            "backbone.features, adjust_feature, blend_classifier, ID_inconsistency_classifier, deepfake_classifier, "
            "fea_att, final_classifier, real2sbi, sbi2bi, bi2fake, loss_func",
        ),
        ("facexray", 4, "backbone.pyramid, top_down, map_head, norm, last_layer, loss_func.cls, loss_func.mask"),
        ("vht", 4, "backbone.features, backbone.classifier, loss_func"),
    ],
)
def test_shipped_detectors_are_the_sum_of_their_parts(name: str, size: int, parts: str):
    light = ["backbone_name=efficientnet_lite0", "pretrained=null", "resolution=64", f"train_batchSize={size}"]
    detector = build_detector(load_config(DetectorConfig, name, light), pretrained=False)
    check_sum_of_parts(detector, size, parts)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet50"])
def test_stages_and_the_feature_map_of_them_are_parts(backbone: str):
    config = DetectorConfig(model_name="efficientnetb4", backbone_name=backbone, resolution=64, train_batchSize=4)
    parts = "backbone.stages, backbone.features_of_stage, backbone.classifier, finest, loss_func"
    check_sum_of_parts(Staged(config), 4, parts)


def check_sum_of_parts(detector: AbstractDetector, size: int, parts: str) -> None:
    calls, expected = recorded(detector, size)
    assert ", ".join(by_part(calls)) == parts
    torch.manual_seed(0)
    for call in calls:
        call.again()
    found = gradients(detector)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, rtol=1e-4, atol=1e-6)
