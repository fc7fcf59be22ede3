"""RealID as a detector: its losses together, its readings, and what it leaves out."""

import math

import numpy as np
import pytest
import torch

from config.errors import InputError
from config.load import config_names, load_config, variant_names
from config.schema import DetectorConfig
from detectors import BACKBONE, build_detector
from tests.detectors.realid.conftest import Build


def batch(detector, size=8, seed=0):
    return detector.example_batch(size, torch.Generator().manual_seed(seed))


def losses_of(detector, data):
    return {name: loss.item() for name, loss in detector.get_losses(data, detector(data)).items()}


def test_the_total_is_weighted_as_printed(build: Build):
    detector = build()
    data = batch(detector)
    found = losses_of(detector, data)
    assert list(found) == ["overall", "classification", "diversity", "distinction", "regulariser"]
    total = found["classification"] + 0.6 * found["diversity"] + 1.0 * found["distinction"] + 1.0 * found["regulariser"]
    assert found["overall"] == pytest.approx(total, abs=1e-6)


def test_the_losses_from_the_features_in_loops(build: Build):
    """Equations 7, 9, 10 and 13 in float64 from the features, the memories and the linear layer alone."""
    detector = build()
    data = batch(detector)
    found = losses_of(detector, data)
    with torch.no_grad():
        maps = detector.backbone.features(data["image"]).double().numpy()
    features = maps.mean((2, 3))
    weight, bias = (p.detach().double().numpy() for p in detector.decisions.parameters())  # type: ignore[union-attr]
    real, fake = (m.prototypes.double().numpy() for m in (detector.real_memory, detector.fake_memory))  # type: ignore[union-attr]
    classification, regular, distinction, diversity = [], [], [], []
    for feature, label in zip(features, data["label"].tolist(), strict=True):
        f = np.exp(weight @ feature + bias)
        f /= f.sum()
        classification.append(-math.log(f[label]))
        regular.append(0.5 * ((f[1] - f[3]) if label == 0 else (f[0] - f[2])) ** 2)
        if label == 0:
            u = feature / np.linalg.norm(feature)
            first, second = np.argsort(-(real @ u))[:2]
            towards = math.exp(real[first] @ u) + math.exp(real.mean(0) @ u)
            away = sum(math.exp(row @ u) for row in fake) + math.exp(fake.mean(0) @ u)
            distinction.append(-math.log(towards / (towards + away)))
            gap = np.linalg.norm(u - real[first]) - np.linalg.norm(u - real[second])
            diversity.append(max(0.0, gap + 1))
    expected = {
        "classification": np.mean(classification),
        "diversity": np.mean(diversity),
        "distinction": np.mean(distinction),
        "regulariser": np.mean(regular),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    printed = losses_of(build("options.reduction=printed"), data)
    assert printed["diversity"] == pytest.approx(sum(diversity), abs=1e-5)
    assert printed["regulariser"] == pytest.approx(sum(regular), abs=1e-5)
    assert printed["distinction"] == pytest.approx(np.mean(distinction), abs=1e-5)


def test_losses_do_not_depend_on_the_order_of_the_batch(build: Build):
    detector = build()
    data = batch(detector)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    shuffled = {key: value[order] for key, value in data.items()}
    assert losses_of(detector, shuffled) == pytest.approx(losses_of(detector, data), abs=1e-5)


@pytest.mark.parametrize(
    ("variant", "losses"),
    [
        ("backbone", []),
        ("realc2", ["diversity", "distinction"]),
        ("idc", ["regulariser"]),
        ("div_only", ["diversity", "regulariser"]),
        ("dis_only", ["distinction", "regulariser"]),
    ],
)
def test_a_variant_has_the_losses_and_layers_that_it_says(build: Build, variant, losses):
    detector = build(name=f"realid/{variant}")
    assert list(losses_of(detector, batch(detector))) == ["overall", "classification", *losses]
    names = {name.partition(".")[0] for name in detector.state_dict()} - {"backbone"}
    expected = {
        "regulariser": {"decisions"},
        "diversity": {"real_memory"},
        "distinction": {"real_memory", "fake_memory"},
    }
    assert names == set().union(*(expected[name] for name in losses))


def test_without_both_modules_it_is_the_plain_classifier(build: Build):
    ours = build(name="realid/backbone")
    plain = build_detector(ours.config.model_copy(update={"model_name": "efficientnetb4", "options": {}}))
    plain.load_state_dict(ours.state_dict())
    data = batch(ours)
    assert losses_of(ours, data)["overall"] == plain.get_losses(data, plain(data))["overall"].item()


def test_the_memories_are_no_part_of_inference_and_no_gradient_goes_there(build: Build):
    detector = build()
    assert not [name for name, _ in detector.named_parameters() if "memory" in name]
    data = batch(detector)
    detector.eval()
    before = detector({"image": data["image"]}, inference=True)["prob"]
    detector.real_memory.prototypes.fill_(torch.nan)  # type: ignore[union-attr]
    detector.fake_memory.prototypes.fill_(torch.nan)  # type: ignore[union-attr]
    assert torch.equal(detector({"image": data["image"]}, inference=True)["prob"], before)


def test_distinction_and_diversity_see_the_real_images_alone(build: Build):
    detector = build("options.idc=false")
    data = batch(detector)
    predictions = detector(data)
    predictions["concept"].retain_grad()
    losses = detector.get_losses(data, predictions)
    (losses["diversity"] + losses["distinction"]).backward()
    lengths = predictions["concept"].grad.norm(dim=1)  # type: ignore[union-attr]
    assert (lengths > 0).tolist() == (data["label"] == 0).tolist()


def test_a_batch_of_one_class_has_finite_losses(build: Build):
    detector = build()
    for label in (0, 1):
        data = batch(detector) | {"label": torch.full((8,), label)}
        detector.on_pass_start(0)
        assert all(math.isfinite(loss) for loss in losses_of(detector, data).values())
        detector.after_step(0)
    assert detector.real_memory.usage.sum() == 8  # type: ignore[union-attr]
    assert detector.fake_memory.usage.sum() == 8  # type: ignore[union-attr]


def test_the_losses_have_the_memory_from_before_the_step(build: Build):
    detector = build()
    data = batch(detector)
    before = losses_of(detector, data)
    detector.on_pass_start(0)
    assert losses_of(detector, data) == before
    detector.after_step(0)
    assert losses_of(detector, data)["distinction"] < before["distinction"], "the prototypes have come nearer"


def test_only_the_first_pass_and_every_batch_of_it_moves_the_prototypes(build: Build):
    """SAM's second pass and what is computed outside of steps leave the memory; accumulated batches count as one."""
    whole, parted = build().eval(), build().eval()  # without batch statistics
    data = batch(whole, 16)
    whole.on_pass_start(0)
    losses_of(whole, data)
    whole.after_step(0)
    losses_of(parted, batch(parted, 8, seed=5))
    for number in (0, 1):
        parted.on_pass_start(number)
        for part in (slice(0, 8), slice(8, 16)):
            losses_of(parted, {key: value[part] for key, value in data.items()})
        if number == 0:
            with torch.no_grad():
                for parameter in parted.backbone.parameters():
                    parameter += 0.1
    parted.after_step(0)
    for name in ("real_memory", "fake_memory"):
        one, other = getattr(whole, name), getattr(parted, name)
        torch.testing.assert_close(one.prototypes, other.prototypes, rtol=1e-4, atol=1e-5)
        assert torch.equal(one.usage, other.usage)


def test_prototypes_can_be_parameters_and_are_moved_by_both_then(build: Build):
    detector = build("options.memory_grad=true")
    data = batch(detector)
    detector.on_pass_start(0)
    detector.get_losses(data, detector(data))["overall"].backward()
    memories = (detector.real_memory, detector.fake_memory)
    assert all(memory.prototypes.grad.abs().sum() > 0 for memory in memories)  # type: ignore[union-attr]
    torch.optim.Adam(detector.parameters(), lr=0.1).step()
    before = [memory.prototypes.detach().clone() for memory in memories]  # type: ignore[union-attr]
    detector.after_step(0)
    for memory, stepped in zip(memories, before, strict=True):
        now = memory.prototypes.detach()  # type: ignore[union-attr]
        assert (stepped.norm(dim=1) - 1).abs().max() > 1e-3, "the optimiser does not keep the length"
        torch.testing.assert_close(now.norm(dim=1), torch.ones(4))
        turned = (now * stepped / stepped.norm(dim=1, keepdim=True)).sum(1) < 1 - 1e-4
        assert torch.equal(turned, memory.usage > 0), "the rule turns those alone that have a face"  # type: ignore[union-attr]


def test_the_log_says_which_prototypes_are_near(build: Build):
    detector = build()
    data = batch(detector)
    metrics = detector.get_train_metrics(data, detector(data))
    for name in ("real", "fake"):
        shares = [metrics[f"usage/{name}/{number}"].item() for number in range(1, 5)]
        assert sum(shares) == pytest.approx(1)
        assert all(share * 4 == round(share * 4) for share in shares), "of four images each"
    assert set(metrics) == {"acc", *(f"usage/{name}/{number}" for name in ("real", "fake") for number in range(1, 5))}


@pytest.mark.parametrize(
    "setting",
    [
        "normalise=false",
        "match_over=samples",
        "distinction=fake_only",
        "distinction=real_plus_meanfake",
        "branch=batch",
        "beta=0.2",
        "auxiliaries=both",
        "reduction=printed",
        "initial=normal",
        "margin=0.5",
        "score=fake",
    ],
)
def test_every_reading_is_heard(build: Build, setting):
    plain, other = build(), build(f"options.{setting}")
    data = batch(plain)
    results = []
    for detector in (plain, other):
        detector.eval()
        if detector.decisions is not None:
            detector.decisions.weight.data *= 50  # so that differences reach beyond 1
        for step in range(2):
            detector.on_pass_start(0)
            found = losses_of(detector, data)
            detector.after_step(step)
        results.append((found, detector(data)["prob"].tolist(), detector.real_memory.prototypes.tolist()))  # type: ignore[union-attr]
    assert results[0] != results[1]


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("options.prototypes=1", "prototypes"),
        ("options.distinction=infonce", "distinction"),
        ("options.diversity=0.6", "diversity_weight"),
        ("options.beta=2", "beta"),
    ],
)
def test_a_wrong_setting_is_named(build: Build, assignment, words):
    with pytest.raises(InputError, match=words):
        build(assignment)


@pytest.mark.parametrize("name", BACKBONE.names())
def test_any_backbone_is_taken_as_it_is(name):
    config = load_config(DetectorConfig, "realid", [f"backbone_name={name}", "pretrained=null"])
    with torch.device("meta"):
        detector = build_detector(config)
        plain = BACKBONE[name](config.backbone_config)
    own = {f"backbone.{key}": tensor.shape for key, tensor in plain.state_dict().items()}
    ours = {key: tensor.shape for key, tensor in detector.state_dict().items()}
    added = {key: shape for key, shape in ours.items() if key not in own}
    assert ours.items() >= own.items()
    channels = plain.channels
    assert added == {
        "decisions.weight": (4, channels),
        "decisions.bias": (4,),
        **{f"{name}_memory.prototypes": (10, channels) for name in ("real", "fake")},
        **{f"{name}_memory.usage": (10,) for name in ("real", "fake")},
    }


def test_what_ships_are_the_method_its_parts_and_two_data_presets():
    assert [name for name in config_names(DetectorConfig) if name.startswith("realid")] == [
        "realid",
        "realid_ff5",
        "realid_sbi",
    ]
    assert len(variant_names(DetectorConfig, "realid")) == 8
    method, printed, blended = (load_config(DetectorConfig, name) for name in ("realid", "realid_ff5", "realid_sbi"))
    for one in (method, printed, blended):
        assert (one.train_batchSize, one.resolution) == (16, 256)
        assert (
            build_detector(one.model_copy(update={"pretrained": None})).options
            == type(build_detector(method.model_copy(update={"pretrained": None})).options)()
        )
    assert printed.train_dataset == ["FaceForensics++5"]
    assert (method.dataset_type, printed.dataset_type) == ("balanced", "balanced")
    assert (blended.dataset_type, blended.optimizer.type, blended.compression) == ("real_with_pseudofake", "sam", "raw")
