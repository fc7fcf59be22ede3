"""ProDet as a whole: released names, losses put together by hand, what reaches what, and what inference leaves out."""

import ast
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from config.errors import InputError
from config.load import load_config, variant_names
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.base import FitContext
from detectors.conformance import check_detector
from detectors.prodet.detector import ProDet
from detectors.weights import recognise
from tests.detectors.prodet.conftest import Build

LISTED = Path(__file__).parents[1] / "state_dicts" / "prodet.txt"
CHAIN = [("real", "sbi", 0), ("sbi", "cbi", 1), ("cbi", "deepfake", 2)]


def batch(detector: ProDet, size: int = 8, seed: int = 0) -> dict[str, torch.Tensor]:
    return detector.example_batch(size, torch.Generator().manual_seed(seed))


def trained_on(detector: ProDet, size: int = 8) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    data = batch(detector, size)
    predictions = detector(data)
    return predictions, detector.get_losses(data, predictions)


def test_names_and_shapes_are_those_of_the_released_weights():
    released = {
        name: ast.literal_eval(shape)
        for name, shape in (line.split(" ", 1) for line in LISTED.read_text().splitlines())
    }
    state = build_detector(load_config(DetectorConfig, "prodet"), pretrained=False).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == released
    assert recognise(state) == "prodet"


@pytest.mark.parametrize("name", [*variant_names(DetectorConfig, "prodet"), "prodet_paper", "prodet_code"])
def test_every_variant_keeps_the_contract(build: Build, name: str):
    detector = build("options.warm_up=0", name=name)
    check_detector(detector.config, 12 if "sbi_fb_cbi" in name else 4)


def test_the_losses_are_those_of_the_paper_anchor_by_anchor(build: Build):
    detector = build()
    predictions, losses = trained_on(detector)
    anchors = dict(zip(("real", "sbi", "cbi", "deepfake"), predictions["feat"].chunk(4), strict=True))
    attributes = {"real": [0, 0, 0], "sbi": [1, 0, 0], "cbi": [1, 1, 0], "deepfake": [1, 1, 1]}
    features, labels, fake = [], [], []
    for name, of_anchor in anchors.items():
        for feature in of_anchor:
            features.append(feature)
            labels.append([float(value) for value in attributes[name]])
            fake.append(float(name != "real"))
    for start, end, which in CHAIN:
        for number in range(2):
            ratio = float(predictions["ratios"][which, number])
            features.append((1 - ratio) * anchors[start][number] + ratio * anchors[end][number])
            labels.append([1.0 if k < which else ratio if k == which else 0.0 for k in range(3)])
            fake.append(ratio if which == 0 else 1.0)
    stacked = torch.stack(features)
    heads = [detector.blend_classifier, detector.ID_inconsistency_classifier, detector.deepfake_classifier]
    logits = [head(stacked) for head in heads]
    oriented = sum(
        -(1 - label[k]) * logits[k][i].log_softmax(0)[0] - label[k] * logits[k][i].log_softmax(0)[1]
        for i, label in enumerate(labels)
        for k in range(3)
    ) / len(labels)
    score = detector.final_classifier(stacked * detector.fea_att(torch.cat(logits, 1), stacked)).log_softmax(1)
    detection = sum(-(1 - y) * score[i, 0] - y * score[i, 1] for i, y in enumerate(fake)) / len(fake)
    transition = sum(
        (predictions["moved"][which] - anchors[end]).square().mean() for which, (_, end, _) in enumerate(CHAIN)
    )
    torch.testing.assert_close(losses["oriented"], oriented)
    torch.testing.assert_close(losses["detection"], detection)
    torch.testing.assert_close(losses["transition"], transition)
    torch.testing.assert_close(losses["overall"], detection + oriented + 10 * transition)


def test_each_edge_has_a_block_of_its_own_that_is_given_its_start(build: Build):
    detector = build()
    given: dict[str, torch.Tensor] = {}
    for name in ("real2sbi", "sbi2bi", "bi2fake"):
        block = detector.get_submodule(name)
        block.register_forward_hook(lambda _, inputs, __, name=name: given.__setitem__(name, inputs[1]))
    anchors = detector(batch(detector))["feat"].chunk(4)
    for name, start in zip(("real2sbi", "sbi2bi", "bi2fake"), anchors, strict=False):
        assert torch.equal(given[name], start)


def reached(detector: ProDet, loss: torch.Tensor) -> set[str]:
    detector.zero_grad(set_to_none=True)
    loss.backward()
    children = dict(detector.named_children())
    return {
        name
        for name, child in children.items()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in child.parameters())
    }


HEADS = {"blend_classifier", "ID_inconsistency_classifier", "deepfake_classifier"}
BLOCKS = {"real2sbi", "sbi2bi", "bi2fake"}
TRUNK = {"backbone", "adjust_feature"}


@pytest.mark.parametrize(
    ("loss", "parts"),
    [
        ("detection", {*TRUNK, *HEADS, "fea_att", "final_classifier"}),
        ("oriented", {*TRUNK, *HEADS}),
        ("transition", {*TRUNK, *BLOCKS}),
        ("overall", {*TRUNK, *HEADS, *BLOCKS, "fea_att", "final_classifier"}),
    ],
)
def test_a_loss_reaches_what_it_must(build: Build, loss: str, parts: set[str]):
    detector = build()
    _, losses = trained_on(detector)
    assert reached(detector, losses[loss]) == parts


def test_the_transition_loss_moves_both_ends_of_an_edge(build: Build):
    detector = build()
    data = batch(detector)
    predictions = detector(data)
    predictions["feat"].retain_grad()
    detector.get_losses(data, predictions)["transition"].backward()
    gradient = predictions["feat"].grad
    assert gradient is not None
    assert all(part.abs().sum() > 0 for part in gradient.chunk(4)), "the deepfakes are the end of an edge alone"


def test_bridging_starts_after_the_warm_up(build: Build):
    detector = build("nEpochs=20")
    for epoch in range(4):
        detector.on_epoch_start(epoch)
        predictions = detector(batch(detector))
        assert ("ratios" in predictions) is (epoch >= 2)
        assert len(predictions["attributes"]) == (14 if epoch >= 2 else 8)
        assert detector.get_losses(batch(detector), predictions)["overall"].isfinite()


def test_the_released_code_bridges_from_the_first_epoch(build: Build):
    detector = build(name="prodet_code")
    detector.on_epoch_start(0)
    assert "ratios" in detector(batch(detector))


def test_detection_on_the_anchors_alone_leaves_bridges_to_the_heads(build: Build):
    detector = build("options.detect_bridged=false")
    predictions, losses = trained_on(detector)
    assert len(predictions["cls_bridged"]) == 0
    assert len(predictions["attributes"]) == 14
    label = torch.tensor([0, 0, 1, 1, 1, 1, 1, 1])
    torch.testing.assert_close(losses["detection"], F.cross_entropy(predictions["cls"], label))


def test_weights_of_zero_leave_losses_and_layers_out(build: Build):
    _, losses = trained_on(build(name="prodet/wo_lo"))
    assert "oriented" not in losses
    detector = build(name="prodet/wo_lt")
    predictions, losses = trained_on(detector)
    assert "transition" not in losses
    assert "moved" not in predictions
    assert not {name for name, _ in detector.named_children()} & BLOCKS
    predictions, _ = trained_on(build(name="prodet/wo_fb"))
    assert "ratios" not in predictions


@pytest.mark.parametrize(
    ("name", "anchors", "bridges"),
    [("sbi_fb", 2, 1), ("sbi_fb_cbi", 3, 1), ("sbi_fb_cbi_fb", 3, 2), ("sbi_fb_cbi_fb_df", 4, 2), ("surround", 4, 3)],
)
def test_the_rows_of_the_ablation_have_their_anchors_and_bridges(build: Build, name: str, anchors: int, bridges: int):
    predictions, _ = trained_on(build(name=f"prodet/{name}"), 2 * anchors)
    assert predictions["ratios"].shape == (bridges, 2)
    assert len(predictions["feat"]) == 2 * anchors
    assert predictions["moved"].shape[:2] == (anchors - 1, 2)


def test_inference_uses_neither_bridges_nor_transitions_and_draws_nothing(build: Build):
    detector = build().eval()
    for name in BLOCKS:
        detector.get_submodule(name).register_forward_hook(lambda *_: pytest.fail("a transition in inference"))
    before, alike = detector._generator.get_state(), torch.get_rng_state()
    predictions = detector(batch(detector), inference=True)
    assert set(predictions) == {"cls", "prob", "feat"}
    assert torch.equal(detector._generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), alike)


def test_a_frame_is_scored_the_same_in_training_and_inference_code(build: Build):
    detector = build().eval()
    data = batch(detector)
    with torch.no_grad():
        torch.testing.assert_close(detector(data)["prob"], detector(data, inference=True)["prob"])


def test_bridges_and_noise_follow_from_the_runs_generator_alone(build: Build):
    made = []
    for seed in (3, 3, 4):
        detector = build()
        context = FitContext(torch.device("cpu"), 1, list, torch.Generator().manual_seed(seed))
        detector.on_fit_start(context)
        torch.manual_seed(seed * 100 + len(made))
        first, second = detector(batch(detector)), detector(batch(detector))
        assert not torch.equal(first["ratios"], second["ratios"])
        assert not torch.equal(first["moved"], second["moved"])
        made.append((first, second))
    for one, other, third in zip(*made, strict=True):
        assert torch.equal(one["ratios"], other["ratios"])
        assert torch.equal(one["moved"], other["moved"])
        assert not torch.equal(one["ratios"], third["ratios"])


def test_the_toy_models_have_features_of_two_numbers(build: Build):
    predictions, losses = trained_on(build(name="prodet/toy"))
    assert predictions["feat"].shape == (8, 2, 4, 4)
    assert losses["overall"].isfinite()


def test_it_learns_the_order_of_its_anchors(build: Build):
    detector = build("options.warm_up=0").train()
    optimizer = torch.optim.Adam(detector.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    data = batch(detector, 32)
    level = torch.arange(4.0).repeat_interleave(8).view(-1, 1, 1, 1)
    for _ in range(60):
        data["image"] = level + 0.3 * torch.randn(32, 3, 16, 16, generator=generator)
        losses = detector.get_losses(data, detector(data))
        optimizer.zero_grad()
        losses["overall"].backward()
        optimizer.step()
    with torch.no_grad():
        predictions = detector.eval()(data)
    heads = predictions["attributes"][:32].unflatten(1, (3, 2)).softmax(2)[..., 1]
    expected = detector.attribute_labels.repeat_interleave(8, 0)
    assert ((heads > 0.5).float() == expected).float().mean() > 0.95
    assert ((predictions["prob"] > 0.5).long() == data["label"]).float().mean() > 0.95


def test_batches_must_hold_as_many_of_each_anchor(build: Build):
    detector = build()
    with pytest.raises(InputError, match="as many of each of real, sbi, cbi, deepfake, not 6"):
        detector({"image": torch.zeros(6, 3, 16, 16)})


def test_images_of_another_size_than_the_maps_are_refused(build: Build):
    detector = build().eval()
    with pytest.raises(InputError, match="built for images of 16 x 16 pixels"):
        detector({"image": torch.zeros(2, 3, 32, 32)}, inference=True)


def test_a_setting_that_there_is_not_is_answered_with_the_nearest(build: Build):
    with pytest.raises(InputError, match="did you mean 'bridged'"):
        build("options.bridge=[sbi]")
    with pytest.raises(InputError, match="organisation"):
        build("options.organisation=r2d")
