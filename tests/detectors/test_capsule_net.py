"""Capsule-Forensics by its formulas, by hand and in plain Python, and by what differs in training and inference."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from config.errors import InputError
from config.load import load_config
from config.schema import BackboneConfig, DetectorConfig
from detectors import BACKBONE, build_detector
from detectors.base import FitContext
from detectors.capsule_net import CapsuleNet, Routing, Statistics, VggFront, route, squash
from detectors.conformance import Case, prediction, training_step
from detectors.weights import recognise
from tests.detectors.small import Small


def build(*overrides: str) -> CapsuleNet:
    return build_detector(load_config(DetectorConfig, "capsule_net", ["pretrained=null", "resolution=32", *overrides]))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def softmax(values: list[float]) -> list[float]:
    total = sum(map(math.exp, values))
    return [math.exp(value) / total for value in values]


def squashed(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [value * length / (1 + length**2) for value in vector]


def routed(votes: list[list[list[float]]], iterations: int, rule: str) -> list[list[float]]:
    """The routing of one sample's votes[class][capsule][number], written out in loops."""
    classes, capsules, size = range(len(votes)), range(len(votes[0])), range(len(votes[0][0]))
    agreement = [[[0.0 for _ in size] for _ in capsules] for _ in classes]
    for _ in range(iterations):
        vectors = []
        for c in classes:
            total = [0.0 for _ in size]
            for d in size:
                for n in capsules:
                    if rule == "public":
                        share = softmax([agreement[c][k][d] for k in capsules])[n]
                    else:
                        share = softmax([agreement[k][n][0] for k in classes])[c]
                    total[d] += share * votes[c][n][d]
            vectors.append(squashed(total))
        for c in classes:
            for n in capsules:
                products = [votes[c][n][d] * vectors[c][d] for d in size]
                for d in size:
                    agreement[c][n][d] += products[d] if rule == "public" else sum(products)
    return vectors


def test_squash_keeps_the_direction_and_bounds_the_length():
    # 3, 4 has length 5, and 25 / 26 of the unit vector remains.
    assert torch.allclose(squash(torch.tensor([3.0, 4.0]), 0), torch.tensor([3 * 5 / 26, 4 * 5 / 26]))
    vectors = torch.zeros(2, 3, requires_grad=True)
    squash(vectors, 1).sum().backward()
    assert vectors.grad.isfinite().all()


@pytest.mark.parametrize("rule", ["public", "paper"])
@pytest.mark.parametrize("iterations", [1, 2, 4])
def test_routing_is_the_one_written_out_in_loops(rule, iterations):
    votes = 3 * torch.randn(2, 3, 4, 2, generator=seeded(1), dtype=torch.float64)
    made = route(votes, iterations, rule)
    assert made.shape == (2, 3, 2)
    for sample, expected in zip(made, (routed(one.tolist(), iterations, rule) for one in votes), strict=True):
        assert torch.allclose(sample, torch.tensor(expected, dtype=torch.float64), atol=1e-12)


def test_a_vote_against_the_others_counts_less_and_less():
    votes = torch.tensor([[2.0], [2.0], [-2.0]]).view(1, 1, 3, 1)
    lengths = [float(route(votes, iterations, "public")) for iterations in (1, 2, 3)]
    # The mean 2/3, then shares by e^(2v), e^(2v), e^(-2v) for its squashed v.
    v = (2 / 3) ** 2 / (1 + (2 / 3) ** 2)
    mean = 2 * (2 * math.exp(2 * v) - math.exp(-2 * v)) / (2 * math.exp(2 * v) + math.exp(-2 * v))
    assert lengths[:2] == pytest.approx([v, mean**2 / (1 + mean**2)], rel=1e-6)
    assert lengths[2] > lengths[1]


def test_capsules_vote_by_the_weights_of_their_class():
    routing = Routing(2, 3, 1, "paper")
    capsules = torch.randn(1, 3, 8, generator=seeded(2))
    votes = torch.stack(
        [torch.stack([routing.route_weights[c, n] @ squash(capsules[0, n], 0) for n in range(3)]) for c in range(2)]
    )
    assert torch.allclose(routing(capsules)[0], squash(votes.sum(1) / 2, 1), atol=1e-6)


def test_the_public_rule_squashes_across_the_capsules():
    capsules = torch.randn(2, 3, 8, generator=seeded(2))
    routing = Routing(2, 3, 2, "public")
    votes = torch.einsum("cnij,bnj->bcni", routing.route_weights, squash(capsules, 1))
    assert torch.allclose(routing(capsules), route(votes, 2, "public"))


def test_statistics_by_hand():
    maps = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]])
    assert torch.allclose(Statistics()(maps), torch.tensor([[[2.0, 5.0], [math.sqrt(2), 0.0]]]))


def test_noise_and_dropout_come_of_the_generator():
    routing = Routing(2, 3, 2, "public")
    capsules = torch.randn(2, 3, 8, generator=seeded(2))
    first, again, other = (routing(capsules, 0.1, 0.5, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(routing(capsules, 0, 0, seeded(5)), routing(capsules))


def test_dropout_leaves_the_mean_of_the_votes():
    routing = Routing(1, 2, 1, "paper")
    capsules = torch.randn(1, 2, 8, generator=seeded(2)).expand(4000, -1, -1)
    with torch.no_grad():
        routing.route_weights.mul_(0.01)  # so small that squashing is a square of the length
        vectors = routing(capsules, 0, 0.05, seeded(3))
    undone = vectors / vectors.norm(dim=2, keepdim=True).sqrt()
    plain = routing(capsules[:1]).detach()
    assert torch.allclose(undone.mean(0), (plain / plain.norm(dim=2, keepdim=True).sqrt())[0], rtol=0.05, atol=1e-4)


def test_p_of_fake_is_the_mean_over_the_numbers_of_the_classes_vectors(monkeypatch):
    detector = build().eval()
    vectors = torch.tensor([[[0.0, math.log(3)], [0.0, 0.0]]])  # by number: real 1/2 and 3/4
    monkeypatch.setattr(detector.routing_stats, "forward", lambda _: vectors)
    predictions = detector({"image": torch.zeros(1, 3, 32, 32)}, inference=True)
    assert float(predictions["prob"]) == pytest.approx((1 / 2 + 1 / 4) / 2)
    losses = detector.get_losses({"label": torch.tensor([1])}, predictions)
    assert float(losses["overall"]) == pytest.approx(-math.log(3 / 8), rel=1e-6)


def test_training_is_disturbed_by_the_runs_generator_and_inference_is_not():
    detector = build("options.noise=1").eval()
    batch = detector.example_batch(4, seeded(1))

    def scores(seed: int, inference: bool) -> Tensor:
        detector.on_fit_start(FitContext(torch.device("cpu"), 1, list, seeded(seed)))
        with torch.no_grad():
            return detector(batch, inference)["prob"]

    assert torch.equal(scores(1, False), scores(1, False))
    assert not torch.equal(scores(1, False), scores(2, False))
    assert torch.equal(scores(1, True), scores(2, True))
    before = torch.get_rng_state()
    scores(3, False)
    assert torch.equal(before, torch.get_rng_state())


def test_the_front_is_not_trained():
    detector = build("backbone_name=efficientnet_lite0").train()
    batch = detector.example_batch(4, seeded(1))
    before = {key: tensor.clone() for key, tensor in detector.backbone.state_dict().items()}
    detector.get_losses(batch, detector(batch))["overall"].backward()
    assert detector.backbone is detector.vgg_ext
    assert not any(parameter.requires_grad for parameter in detector.backbone.parameters())
    assert all(torch.equal(before[key], tensor) for key, tensor in detector.backbone.state_dict().items())
    assert not any(key.startswith("backbone.") for key in detector.state_dict())


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50"])
def test_another_backbone_gives_its_map_at_stride_4(name):
    case = Case.of(load_config(DetectorConfig, "capsule_net", [f"backbone_name={name}", "resolution=64"]))
    prediction(case)
    training_step(case)
    feature = case.detector(case.batch, inference=True)["feat"]
    assert feature.shape == (4, case.detector.backbone.stage_channels[0], 8, 8)


def test_the_papers_routing_is_a_variant_with_the_same_tensors():
    config = load_config(DetectorConfig, "capsule_net/paper")
    with torch.device("meta"):
        detector = build_detector(config, pretrained=False)
    assert detector.routing_stats.rule == "paper"
    assert recognise(detector.state_dict()) == "capsule_net"


def test_the_shipped_front_starts_from_vggs_file():
    assert CapsuleNet.imagenet_file(load_config(DetectorConfig, "capsule_net")) == Path(VggFront.imagenet)


def test_vggs_file_is_torchvisions(tmp_path):
    front, state = VggFront(BackboneConfig()), {}
    for key, tensor in front.vgg_1.state_dict().items():
        state[f"features.{key}"] = torch.full_like(tensor, float(key.partition(".")[0]))
    state |= {"features.19.weight": torch.zeros(512, 256, 3, 3), "classifier.6.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "vgg19.pth")
    front.initialise(tmp_path / "vgg19.pth")
    assert front.initialisation.startswith("ImageNet, vgg19.pth, sha256 ")
    assert all((tensor == float(key.split(".")[1])).all() for key, tensor in front.state_dict().items())
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth does not fit VGG-19: 15 tensors missing"):
        front.initialise(tmp_path / "other.pth")


def test_the_front_ends_before_the_head():
    front = VggFront(BackboneConfig(inc=4))
    assert sum(parameter.numel() for parameter in VggFront(BackboneConfig()).parameters()) == 2_325_568
    features = front.features(torch.zeros(1, 4, 64, 64))
    assert features.shape == (1, 256, 16, 16)
    with pytest.raises(InputError, match="backbone_name: vgg19 ends before its head"):
        front.classifier(features)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("options.routing=papr", "routing"),
        ("backbone_name=vgg16", "unknown backbone 'vgg16'"),
        ("backbone_name=small", "expected a network with stages"),
        ("backbone_config.num_classes=1", "expected at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(monkeypatch, override, message):
    monkeypatch.setitem(BACKBONE._entries, "small", Small)
    with pytest.raises(InputError, match=message):
        build(override)
