"""ADFD as a whole: plain weights, whom it remembers, whom it flags, and the loss put together by hand."""

import logging
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from config.errors import InputError
from config.load import load_config, variant_names
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.adfd.detector import ADFD
from detectors.base import FitContext
from detectors.conformance import check_detector
from detectors.weights import load_weights, recognise, save_weights
from tests.detectors.adfd.conftest import Build

SIZE = 12


def batch(detector: ADFD, seed: int = 0, size: int = SIZE) -> dict[str, Tensor]:
    return detector.example_batch(size, torch.Generator().manual_seed(seed))


def features_of(predictions: dict[str, Tensor]) -> np.ndarray:
    """E of the paper, in float64."""
    return predictions["feat"].detach().double().mean((2, 3)).numpy()


def in_epoch(detector: ADFD, number: int) -> ADFD:
    """The detector at the start of an epoch, counted from 1."""
    detector.on_epoch_start(number - 1)
    detector.on_pass_start(0)
    return detector.train()


def with_centres(detector: ADFD, seed: int = 0) -> ADFD:
    """The detector with two centres, the means of two parts of a batch's reals."""
    with torch.no_grad():
        real = torch.from_numpy(features_of(detector.eval()(batch(detector, seed), inference=True))[0::2])
        detector.memory.centres.copy_(torch.stack([real[:3].mean(0), real[3:].mean(0)]))
        detector.memory.clustered.fill_(6)
    return detector


def leaning(detector: ADFD, to_real: float) -> ADFD:
    """The detector with so much more of a logit for real faces."""
    with torch.no_grad():
        detector.backbone.last_layer.bias += torch.tensor([to_real, 0.0])
    return detector


@pytest.mark.parametrize("name", ["adfd", *variant_names(DetectorConfig, "adfd")])
def test_every_variant_keeps_the_contract(build: Build, name: str):
    check_detector(build("options.start=0", name=name).config, 8)


def test_weights_are_those_of_the_plain_network_both_ways(build: Build, tmp_path: Path):
    detector = in_epoch(leaning(build("options.start=0"), 1), 1)
    detector(batch(detector))
    assert bool((detector.memory.ranks > 0).any())
    plain = build_detector(detector.config.model_copy(update={"model_name": "sbi", "options": {}, "manualSeed": 7}))
    assert detector.state_dict().keys() == plain.state_dict().keys()
    save_weights(plain, tmp_path / "plain.safetensors", {})
    save_weights(detector, tmp_path / "adfd.safetensors", {})
    images = {"image": batch(detector)["image"]}
    with torch.no_grad():
        expected = [one.eval()(images, inference=True)["prob"] for one in (plain, detector)]
        load_weights(detector, tmp_path / "plain.safetensors")
        load_weights(plain, tmp_path / "adfd.safetensors")
        found = [one(images, inference=True)["prob"] for one in (detector, plain)]
    assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))
    assert not torch.equal(*expected)


def test_it_has_the_parameters_of_efficientnet_b4():
    with torch.device("meta"):
        state = build_detector(load_config(DetectorConfig, "adfd"), pretrained=False).state_dict()
    assert recognise(state) == "efficientnetb4"


def test_weight_and_loss_by_hand(build: Build):
    """Epoch 40 of 100, beta 200: noise weighs Dist 0.2 + 0.8, and the sum is divided by the size of the batch."""
    detector = in_epoch(with_centres(build("options.threshold=0.26")), 40)
    data = batch(detector, seed=1)
    predictions = detector(data)
    features, centres = features_of(predictions), detector.memory.centres.double().numpy()
    cosines = features @ centres.T / np.outer(np.linalg.norm(features, axis=1), np.linalg.norm(centres, axis=1))
    distance, label = (1 - cosines).min(1), data["label"].numpy()
    is_noise = (distance < 0.26) & (label == 1)
    assert 0 < is_noise.sum() < (label == 1).sum(), "the case must have both"
    weight = np.where(is_noise, 0.2 * distance + 0.8, 1)
    logits = predictions["cls"].detach().double().numpy()
    error = np.log(np.exp(logits).sum(1)) - logits[np.arange(SIZE), label]
    assert predictions["weight"].tolist() == pytest.approx(weight.tolist(), abs=1e-6)
    assert float(detector.get_losses(data, predictions)["overall"].detach()) == pytest.approx(
        (weight * error).sum() / SIZE
    )
    metrics = {name: float(value) for name, value in detector.get_train_metrics(data, predictions).items()}
    assert metrics == {
        "acc": pytest.approx((logits.argmax(1) == label).mean()),
        "noise": pytest.approx(is_noise.sum() / 6),
        "fake_weight": pytest.approx(weight[label == 1].mean()),
        "candidates": 6,
    }


def test_the_l2_of_unit_features_flags_others(build: Build):
    flagged = {}
    for distance in ("cosine", "l2"):
        detector = in_epoch(with_centres(build("options.threshold=0.7", f"options.distance={distance}")), 40)
        flagged[distance] = detector(batch(detector, seed=1))["weight"] < 1
    # |a - b| = sqrt(2 (1 - cos)), which below 2 is the larger of the two.
    assert 0 < flagged["l2"].sum() < flagged["cosine"].sum()
    assert bool((flagged["cosine"] | ~flagged["l2"]).all())


def test_the_weight_has_no_gradient(build: Build):
    detector = in_epoch(with_centres(build()), 50)
    data = batch(detector, seed=1)
    predictions = detector(data)
    weight = predictions["weight"]
    assert not weight.requires_grad
    assert bool((weight < 1).any())
    detector.get_losses(data, predictions)["overall"].backward()
    found = [parameter.grad.clone() for parameter in detector.parameters()]
    detector.zero_grad()
    logits = detector.backbone.classifier(detector.backbone.features(data["image"]))
    error = torch.nn.functional.cross_entropy(logits, data["label"], reduction="none")
    (weight.clone() * error).mean().backward()
    for mine, parameter in zip(found, detector.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)


@pytest.mark.parametrize(
    ("overrides", "first"), [((), 20), (("options.start=0.02",), 2), (("nEpochs=10",), 2), (("options.start=1",), 100)]
)
def test_reals_are_remembered_an_epoch_before_fakes_are_weighed(build: Build, overrides: tuple[str, ...], first: int):
    """T_k and T_k - 1 of Algorithm 1, whose epochs count from 1."""
    detector = leaning(with_centres(build(*overrides)), 1)
    for epoch in (first - 2, first - 1, first):
        if epoch < 1:
            continue
        in_epoch(detector, epoch)
        predictions = detector(batch(detector))
        assert ("weight" in predictions) is (epoch >= first)
        assert bool((detector.memory.ranks > 0).any()) is (epoch >= first - 1)


def test_beta_goes_with_the_length_of_the_run(build: Build):
    """The paper's 200 epochs for a run of 100: in the last epoch what lies on a centre weighs one half."""
    for epochs in (100, 10):
        detector = in_epoch(build(f"nEpochs={epochs}", "options.centres=1"), epochs)
        data = batch(detector)
        features = torch.from_numpy(features_of(detector(data)))
        detector.memory.centres.copy_(features[1:2])
        detector.memory.clustered.fill_(1)
        assert float(detector(data)["weight"][1]) == pytest.approx(0.5, abs=1e-6)


def test_reals_predicted_right_are_remembered_by_their_probability(build: Build):
    detector = in_epoch(leaning(build("options.memory=4", "options.start=0"), 0.05), 1)
    offered = []
    for seed in range(3):
        data = batch(detector, seed)
        predictions = detector(data)
        logits = predictions["cls"].detach().double()
        for feature, p_real, label in zip(
            features_of(predictions), logits.softmax(1)[:, 0].tolist(), data["label"].tolist(), strict=True
        ):
            if label == 0 and p_real > 0.5:
                offered.append((p_real, feature))
    offered.sort(key=lambda pair: -pair[0])
    assert 4 < len(offered) < 18, "the case must have reals that are predicted wrong"
    held = detector.memory.features[detector.memory.ranks > 0]
    np.testing.assert_allclose(held, np.stack([feature for _, feature in offered[:4]]), atol=1e-6)


def test_confidence_is_told_apart_where_probabilities_round_to_one(build: Build):
    detector = in_epoch(leaning(build("options.memory=2", "options.start=0"), 100), 1)
    data = batch(detector)
    predictions = detector(data)
    assert bool((1 - predictions["prob"] == 1).all())
    margins = (predictions["cls"][:, 0] - predictions["cls"][:, 1])[data["label"] == 0]
    assert detector.memory.ranks.tolist() == margins.sort(descending=True).values[:2].tolist()


def test_random_reals_may_be_predicted_wrong_and_follow_from_the_runs_generator(build: Build):
    held = []
    for seed in (1, 1, 2):
        detector = build("options.filter=random", "options.start=0", "options.memory=3")
        detector.on_fit_start(FitContext(torch.device("cpu"), 100, list, torch.Generator().manual_seed(seed)))
        in_epoch(leaning(detector, -100), 1)
        predictions = detector(batch(detector))
        assert bool((predictions["cls"].argmax(1) == 1).all())
        held.append(detector.memory.features.clone())
        reals = torch.from_numpy(features_of(predictions)[0::2]).float()
        assert all(bool((reals - one).abs().amax(1).min() < 1e-6) for one in held[-1])
    assert torch.equal(held[0], held[1])
    assert not torch.equal(held[0], held[2])


def test_features_of_the_second_pass_are_not_remembered_and_its_weights_are_the_firsts(build: Build):
    detector = in_epoch(with_centres(build("options.threshold=1.0")), 50)
    batches = [batch(detector, seed) for seed in (1, 2)]
    first = [detector(data)["weight"] for data in batches]
    held = detector.memory.features.clone()
    with torch.no_grad():
        detector.backbone.coarse[0].weight.mul_(-1)
    detector.on_pass_start(1)
    assert all(torch.equal(detector(data)["weight"], weight) for data, weight in zip(batches, first, strict=True))
    assert torch.equal(detector.memory.features, held)
    detector.on_pass_start(0)
    assert not torch.equal(detector(batches[0])["weight"], first[0])


def test_each_epoch_remembers_anew_and_finds_centres_of_its_own(build: Build):
    detector = build("options.start=0", "options.filter=random")
    centres = []
    for epoch in (1, 2):
        in_epoch(detector, epoch)
        assert not bool(detector.memory.ranks.any())
        detector(batch(detector, seed=epoch))
        detector.on_epoch_end(epoch - 1)
        centres.append(detector.memory.centres.clone())
    assert not torch.equal(*centres)
    held = detector.memory.features[detector.memory.ranks > 0]
    nearest = (held[:, None] - centres[1]).norm(dim=2).argmin(1)
    for number in range(2):
        torch.testing.assert_close(centres[1][number], held[nearest == number].mean(0))


def test_fewer_reals_than_centres_leave_all_weights_at_one_and_say_so(build: Build, caplog: pytest.LogCaptureFixture):
    detector = in_epoch(with_centres(leaning(build("options.start=0"), -100)), 1)
    assert bool((detector(batch(detector))["weight"] < 1).any())
    with caplog.at_level(logging.WARNING):
        detector.on_epoch_end(0)
    assert "epoch 1 remembers 0 real faces, too few for 2 centres" in caplog.text
    in_epoch(detector, 2)
    data = batch(detector)
    predictions = detector(data)
    assert bool((predictions["weight"] == 1).all())
    assert float(detector.get_train_metrics(data, predictions)["candidates"]) == 0


def test_a_sweep_remembers_the_reals_as_the_epoch_leaves_them(build: Build):
    detector = build("options.nrs_sweep=true", "options.start=0", "options.filter=random", "options.memory=20")
    batches = [batch(detector, seed) for seed in (1, 2)]
    context = FitContext(torch.device("cpu"), 100, lambda: batches, torch.Generator().manual_seed(0))
    detector.on_fit_start(context)
    in_epoch(detector, 1)
    detector(batches[0])
    assert not bool(detector.memory.ranks.any()), "nothing comes of the steps"
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    detector.on_epoch_end(0)
    assert detector.training
    assert all(torch.equal(before[name], tensor) for name, tensor in detector.state_dict().items())
    with torch.no_grad():
        clean = [features_of(detector.eval()(data, inference=True))[data["label"] == 0] for data in batches]
    held = detector.memory.features[detector.memory.ranks > 0].numpy()
    assert len(held) == SIZE
    expected = np.concatenate(clean)
    np.testing.assert_allclose(held[held[:, 0].argsort()], expected[expected[:, 0].argsort()], atol=1e-5)


@pytest.mark.parametrize("sweep", ["true", "false"])
def test_after_the_last_epoch_the_runs_batches_are_let_go(build: Build, sweep: str):
    """Whoever holds them holds the processes that load them."""
    detector = build(f"options.nrs_sweep={sweep}", "nEpochs=2", "options.start=0")

    def batches() -> list[dict[str, Tensor]]:
        return [batch(detector)]

    kept = weakref.ref(batches)
    detector.on_fit_start(FitContext(torch.device("cpu"), 2, batches, torch.Generator()))
    del batches
    for epoch in (0, 1):
        in_epoch(detector, epoch + 1)
        detector.on_epoch_end(epoch)
    assert kept() is None


def test_bfloat16_measures_in_float32(build: Build):
    detector = in_epoch(with_centres(build("options.threshold=1.0")), 100)
    data = batch(detector, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predictions = detector(data)
        loss = detector.get_losses(data, predictions)["overall"]
    assert predictions["feat"].dtype == torch.bfloat16
    features, centres = features_of(predictions), detector.memory.centres.double().numpy()
    cosines = features @ centres.T / np.outer(np.linalg.norm(features, axis=1), np.linalg.norm(centres, axis=1))
    expected = np.where(data["label"] == 1, 0.5 * (1 - cosines).min(1) + 0.5, 1)
    assert predictions["weight"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert loss.dtype == torch.float32


def test_inference_is_the_backbones_and_remembers_nothing(build: Build):
    detector = in_epoch(with_centres(build("options.start=0")), 50)
    data = batch(detector)
    for inference in (True, False):
        detector.eval()
        predictions = detector({"image": data["image"]} if inference else data, inference=inference)
        assert set(predictions) == {"cls", "prob", "feat"}
    assert not bool(detector.memory.ranks.any())


def test_without_nrs_it_is_the_plain_classifier(build: Build):
    detector = in_epoch(build(name="adfd/bbmg"), 100)
    assert not list(set(dict(detector.named_buffers())) - set(detector.state_dict()))
    assert set(detector(batch(detector))) == {"cls", "prob", "feat"}


def test_the_configuration_is_sbis_but_for_fakes_and_method():
    """And so of the papers' protocol: 8 frames, 380 pixels, margins, SAM, 100 epochs, 16 reals with 16 fakes."""
    own, sbi = (load_config(DetectorConfig, name).model_dump() for name in ("adfd", "sbi"))
    differing = {key for key in own if own[key] != sbi[key]}
    assert differing == {"model_name", "pseudofake", "options"}
    nrs = load_config(DetectorConfig, "adfd/nrs")
    assert nrs.pseudofake == load_config(DetectorConfig, "sbi").pseudofake
    assert ADFD.Options(**load_config(DetectorConfig, "adfd").options) == ADFD.Options()


def test_a_setting_that_there_is_not_is_answered_with_the_nearest(build: Build):
    with pytest.raises(InputError, match="did you mean 'centres'"):
        build("options.centers=3")
    with pytest.raises(InputError, match="threshold"):
        build("options.threshold=1.5")
    with pytest.raises(InputError, match="memory: expected at least as many faces as centres, 3, not 2"):
        build("options.memory=2", "options.centres=3")
