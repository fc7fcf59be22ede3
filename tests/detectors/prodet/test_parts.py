"""ProDet's losses, bridges and blocks on tensors whose results were worked out by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectors.prodet.attributes import AttributeTask
from detectors.prodet.bridging import SHAPE_LIMITS, bridge, bridged_labels, draw_ratios
from detectors.prodet.organisation import ANCHORS, organise
from detectors.prodet.projector import Projector
from detectors.prodet.transition import Transition, transition_loss

R2B2D = organise("r2b2d", ANCHORS["aligned_quadruplet"])
SURROUND = organise("surround", ANCHORS["aligned_quadruplet"])
BINARY, LABELS, CLASSES = map(AttributeTask, ("triplet_binary", "multi_label", "multi_class"))


def close(tensor: torch.Tensor, expected: float) -> bool:
    return math.isclose(float(tensor), expected, rel_tol=1e-5)


def test_heads_that_know_nothing_cost_the_logarithm_of_their_classes():
    assert close(BINARY.loss(torch.zeros(4, 6), R2B2D.attribute_labels()), 3 * math.log(2))
    assert close(LABELS.loss(torch.zeros(4, 3), R2B2D.attribute_labels()), 3 * math.log(2))
    assert close(CLASSES.loss(torch.zeros(4, 4), R2B2D.kind_labels()), math.log(4))


def test_each_head_is_a_softmax_over_two_classes():
    third = math.log(3)
    # P(attribute) 3/4, 1/4 and 1/2 of the first image, 1/2, 1/2 and 9/10 of the second
    logits = torch.tensor([[0.0, third, third, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0, 0.0, 2 * third]])
    labels = torch.tensor([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0]])
    first = -math.log(3 / 4) - math.log(1 / 4) + math.log(2)
    second = 2 * math.log(2) - math.log(9 / 10)
    assert close(BINARY.loss(logits, labels), (first + second) / 2)


def test_one_head_of_three_labels_is_three_sigmoids():
    logits = torch.tensor([[math.log(3), -math.log(3), 0.0]])
    assert close(
        LABELS.loss(logits, torch.tensor([[1.0, 1.0, 0.25]])), -math.log(3 / 4) - math.log(1 / 4) + math.log(2)
    )


def test_soft_kinds_lie_between_two_classes():
    logits = torch.tensor([[0.0, math.log(2), math.log(4), 0.0]])  # shares 1/8, 2/8, 4/8, 1/8
    labels = torch.tensor([[0.0, 0.25, 0.75, 0.0]])
    assert close(CLASSES.loss(logits, labels), -0.25 * math.log(2 / 8) - 0.75 * math.log(4 / 8))


@given(st.lists(st.floats(-30, 30), min_size=6, max_size=6), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_oriented_loss_is_least_where_the_heads_say_the_label(logits, label):
    labels = torch.tensor([label], dtype=torch.float64)
    entropy = -sum(p * math.log(p) + (1 - p) * math.log1p(-p) for p in label if 0 < p < 1)
    assert float(BINARY.loss(torch.tensor([logits]), labels.float())) >= entropy - 1e-5


def test_a_bridge_has_the_ratio_of_its_more_fake_end():
    anchors = torch.tensor([[0.0, 1.0], [10.0, 11.0], [20.0, 21.0], [40.0, 41.0]]).view(4, 2, 1, 1, 1)
    ratios = torch.tensor([[0.0, 0.25], [0.5, 1.0], [0.1, 0.9]])
    made = bridge(anchors, ratios, R2B2D).flatten()
    torch.testing.assert_close(made, torch.tensor([0.0, 3.5, 15.0, 21.0, 22.0, 39.0]))


def test_along_the_chain_the_one_label_that_differs_is_soft():
    ratios = torch.tensor([[0.2], [0.3], [0.4]])
    expected = torch.tensor([[0.2, 0.0, 0.0], [1.0, 0.3, 0.0], [1.0, 1.0, 0.4]])
    torch.testing.assert_close(bridged_labels(R2B2D.attribute_labels(), ratios, R2B2D), expected)
    torch.testing.assert_close(bridged_labels(R2B2D.fake_labels(), ratios, R2B2D), torch.tensor([0.2, 1.0, 1.0]))


def test_around_real_all_bridges_are_as_fake_as_their_ratio():
    ratios = torch.tensor([[0.2], [0.3], [0.4]])
    torch.testing.assert_close(
        bridged_labels(SURROUND.attribute_labels(), ratios, SURROUND), torch.diag(torch.tensor([0.2, 0.3, 0.4]))
    )
    torch.testing.assert_close(bridged_labels(SURROUND.fake_labels(), ratios, SURROUND), ratios.flatten())


def test_kinds_are_mixed_pair_by_pair():
    made = bridged_labels(R2B2D.kind_labels(), torch.tensor([[0.2, 0.5], [0.3, 0.5], [0.4, 0.5]]), R2B2D)
    torch.testing.assert_close(made[4], torch.tensor([0.0, 0.0, 0.6, 0.4]))
    torch.testing.assert_close(made.sum(1), torch.ones(6))


@pytest.mark.parametrize("mixing", ["beta", "uniform"])
def test_ratios_have_the_moments_of_their_distribution(mixing):
    ratios = draw_ratios(mixing, 3, 100_000, np.random.default_rng(0)).numpy()
    low, high = SHAPE_LIMITS
    # Var Beta(s, s) = 1 / (4 (2 s + 1)), whose mean over s between low and high is an integral of 1 / (2 s + 1).
    spread = math.log((2 * high + 1) / (2 * low + 1)) / (8 * (high - low)) if mixing == "beta" else 1 / 12
    assert ratios.min() >= 0
    assert ratios.max() <= 1
    np.testing.assert_allclose(ratios.mean(1), 0.5, atol=5e-3)
    np.testing.assert_allclose(ratios.var(1), spread, atol=1e-3)
    assert len(np.unique(ratios[:, :100])) > 250, "each bridge has a ratio of its own"


def test_the_mean_square_is_summed_over_edges():
    moved, targets = torch.zeros(2, 3, 4, 2, 2), torch.zeros(2, 3, 4, 2, 2)
    moved[0] += 3
    targets[1, 0] = 6
    assert close(transition_loss(moved, targets, "mse"), 9 + 36 / 3)


def test_the_norm_is_taken_of_each_image():
    moved, targets = torch.zeros(2, 3, 4, 2, 2), torch.zeros(2, 3, 4, 2, 2)
    moved[0] += 3
    targets[1, 0] = 6
    assert close(transition_loss(moved, targets, "l2"), math.sqrt(16 * 9) + math.sqrt(16 * 36) / 3)


@pytest.mark.parametrize("distance", ["mse", "l2"])
def test_the_transition_loss_pulls_both_ends(distance):
    moved = torch.ones(1, 1, 2, 1, 1, requires_grad=True)
    targets = torch.zeros(1, 1, 2, 1, 1, requires_grad=True)
    transition_loss(moved, targets, distance).backward()
    assert moved.grad is not None
    assert targets.grad is not None
    assert (moved.grad > 0).all()
    torch.testing.assert_close(targets.grad, -moved.grad)


def test_equal_features_have_a_finite_derivative():
    moved = torch.ones(1, 1, 2, 1, 1, requires_grad=True)
    transition_loss(moved, torch.ones(1, 1, 2, 1, 1), "l2").backward()
    assert moved.grad is not None
    assert moved.grad.isfinite().all()


def test_a_transition_depends_on_noise_and_features():
    block = Transition(4, 8)
    noise, features = torch.randn(2, 2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    made = block(noise, features)
    assert made.shape == features.shape
    assert not torch.equal(made, block(noise + 1, features))
    assert not torch.equal(made, block(noise, features + 1))


@pytest.mark.parametrize("with_features", [True, False])
def test_the_attention_map_follows_the_heads_and_if_asked_the_features(with_features):
    projector = Projector([2, 2, 2], width=5, side=3, channels=8, with_features=with_features).eval()
    logits = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    features = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(1))
    made = projector(logits, features)
    assert made.shape == features.shape
    assert ((made > 0) & (made < 1)).all()
    for head in range(3):
        assert not torch.equal(made, projector(logits + torch.eye(6)[2 * head], features))
    assert torch.equal(made, projector(logits, features + 1)) is not with_features
