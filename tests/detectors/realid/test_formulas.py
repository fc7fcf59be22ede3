"""Losses and classifier against values and bounds worked out on paper."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.realid.concepts import Distinction, distinction_loss, diversity_loss
from detectors.realid.decisions import regulariser, two_classes
from detectors.realid.memory import Memory

K, CHANNELS = 10, 16


def memory_like(similarities):
    """A memory that e_1 has these similarities with."""
    memory = Memory(len(similarities), CHANNELS)
    memory.prototypes.zero_()
    memory.prototypes[:, 0] = torch.tensor(similarities)
    return memory


FACE = torch.eye(CHANNELS)[:1]


@pytest.mark.parametrize(
    ("to_real", "to_fake", "expected"),
    [
        (0.3, 0.3, math.log(1 + 11 / 2)),  # 1.872: nothing learnt, as at the start
        (1.0, 0.0, math.log(1 + 11 / (2 * math.e))),  # 1.106
        (1.0, -1.0, math.log(1 + 11 / (2 * math.e**2))),  # 0.556: no unit features come lower
        (-1.0, 1.0, math.log(1 + 11 * math.e**2 / 2)),  # 3.730: nor higher
    ],
)
def test_distinction_where_all_prototypes_of_a_class_are_alike(to_real, to_fake, expected):
    loss = distinction_loss(FACE, memory_like([to_real] * K), memory_like([to_fake] * K), torch.tensor([4]), "info_nce")
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_distinction_by_its_readings_in_loops():
    rng = np.random.default_rng(0)
    real, fake, feature = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=4)
    towards = math.exp(real[1] @ feature) + math.exp(real.mean(0) @ feature)
    mean_fake = math.exp(fake.mean(0) @ feature)
    fakes = sum(math.exp(row @ feature) for row in fake)
    reals = sum(math.exp(row @ feature) for row in real)
    memories = []
    for rows in (real, fake):
        memory = Memory(3, 4)
        memory.prototypes.copy_(torch.tensor(rows))
        memories.append(memory)
    for reading, below in (
        ("info_nce", towards + fakes + mean_fake),
        ("fake_only", fakes + mean_fake),
        ("real_plus_meanfake", reals + mean_fake),
    ):
        features = torch.tensor(feature, dtype=torch.float32)[None]
        loss = distinction_loss(features, *memories, torch.tensor([1]), reading)
        assert loss.item() == pytest.approx(-math.log(towards / below), abs=1e-5)


def test_without_what_is_above_the_line_distinction_falls_below_zero():
    loss = distinction_loss(FACE, memory_like([5.0] * K), memory_like([-5.0] * K), torch.tensor([0]), "fake_only")
    assert loss.item() == pytest.approx(math.log(11 / 2) - 10, abs=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0.1, 20))
@settings(max_examples=40, deadline=None)
def test_how_low_distinction_falls_by_its_readings(seed, count, length):
    """Of features of any length where that is a bound, else of unit ones."""
    rng = np.random.default_rng(seed)
    real, fake = (memory_like(rng.uniform(-1, 1, count).tolist()) for _ in range(2))
    nearest = real.prototypes[:, :1].argmax(0)
    of_any, of_unit = (
        {name: distinction_loss(FACE * size, real, fake, nearest, name).item() for name in get_args(Distinction)}
        for size in (length, 1.0)
    )
    assert of_any["info_nce"] >= 0  # 0 by rounding
    assert of_any["real_plus_meanfake"] > -math.log(1 + 1 / count) - 1e-6
    assert of_unit["fake_only"] > math.log((count + 1) / 2) - 2 - 1e-6


def test_diversity_by_hand():
    memory = Memory(3, 2)
    memory.prototypes.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    features = torch.tensor([[1.0, 0.0], [0.8, 0.6], [math.sqrt(0.5), math.sqrt(0.5)]])
    nearest = torch.tensor([[0, 1], [0, 1], [0, 1]])
    expected = [0.0, math.sqrt(0.4) - math.sqrt(0.8) + 1, 1.0]  # as near to both: the margin
    np.testing.assert_allclose(diversity_loss(features, memory, nearest, 1.0), expected, atol=1e-6)
    expected_without = [0.0, 0.0, 0.0]
    np.testing.assert_allclose(diversity_loss(features, memory, nearest, 0.0), expected_without, atol=1e-6)


def test_diversity_has_a_gradient_where_a_feature_is_its_prototype():
    memory = Memory(2, CHANNELS)
    features = memory.prototypes[:1].clone().requires_grad_()
    diversity_loss(features, memory, torch.tensor([[0, 1]]), 2.0).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_regulariser_by_hand():
    probabilities = torch.tensor([[0.6, 0.3, 0.0, 0.1], [0.6, 0.3, 0.0, 0.1], [0.0, 1.0, 0.0, 0.0]])
    label = torch.tensor([0, 1, 0])
    np.testing.assert_allclose(regulariser(probabilities, label, 0.5, "each", "wrong"), [0.02, 0.18, 0.5], atol=1e-7)
    both = [0.02 + 0.18, 0.02 + 0.18, 0.5]
    np.testing.assert_allclose(regulariser(probabilities, label, 0.5, "each", "both"), both, atol=1e-7)


def test_the_branch_of_a_batch_is_that_of_all_its_differences_together():
    probabilities = torch.tensor([[0.1, 0.8, 0.1, 0.0], [0.1, 0.7, 0.1, 0.1]])
    label = torch.tensor([0, 0])  # d = 0.8 and 0.6, together of length 1
    np.testing.assert_allclose(regulariser(probabilities, label, 0.2, "each", "wrong"), [0.128, 0.072], atol=1e-6)
    above = torch.tensor([[0.0, 0.9, 0.1, 0.0], [0.1, 0.7, 0.1, 0.1]])
    np.testing.assert_allclose(regulariser(above, label, 0.2, "batch", "wrong"), [0.7, 0.4], atol=1e-6)


def test_the_branches_meet_at_one_for_one_half_alone():
    """Of raw numbers, since probabilities do not get beyond 1."""
    for beta, gap in ((0.5, 0.0), (0.2, 0.6)):
        near, far = (torch.tensor([[0.0, d, 0.0, 0.0]]) for d in (1 - 1e-6, 1 + 1e-6))
        values = [regulariser(one, torch.tensor([0]), beta, "each", "wrong").item() for one in (near, far)]
        assert values[1] - values[0] == pytest.approx(gap, abs=1e-5)


@given(st.lists(st.floats(-8, 8), min_size=4, max_size=4), st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_regulariser_and_scores_stay_in_their_ranges(logits, label):
    outputs = torch.tensor([logits])
    f = np.exp(np.array(logits) - max(logits))
    f /= f.sum()
    value = regulariser(outputs.softmax(1), torch.tensor([label]), 0.5, "each", "wrong").item()
    expected = 0.5 * ((f[1] - f[3]) if label == 0 else (f[0] - f[2])) ** 2
    assert 0 <= value <= 0.5
    assert value == pytest.approx(expected, abs=1e-5)
    for score, prob in (("ratio", f[1] / (f[0] + f[1])), ("fake", f[1])):
        assert two_classes(outputs, score).softmax(1)[0, 1].item() == pytest.approx(prob, abs=1e-5)
