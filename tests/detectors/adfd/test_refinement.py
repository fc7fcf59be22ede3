"""Weights and distances by numbers worked out by hand, centres of separable points, and what is remembered."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from detectors.adfd.refinement import RealMemory, k_means, noise_distance, noise_weight

angle = st.floats(0, math.pi)


def at(*angles: float, length: float = 1.0) -> torch.Tensor:
    """Vectors of the plane in these directions."""
    return length * torch.tensor([[math.cos(one), math.sin(one)] for one in angles])


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [
        # 20 of beta's 200: 1 - 0.1 (1 - Dist). 100 of them: 1 - 0.5 (1 - Dist).
        (0.1, [0.9, 0.925, 1, 1]),
        (0.5, [0.5, 0.625, 1, 1]),
        (1.0, [0, 0.25, 1, 1]),
    ],
)
def test_weights_at_the_borders(elapsed: float, expected: list[float]):
    """Of fakes at Dist 0, 0.25, lambda itself and just above; a real face weighs 1 wherever it lies."""
    distances = torch.tensor([0, 0.25, 0.5, 0.5001, 0, 0.25])
    is_fake = torch.tensor([True] * 4 + [False] * 2)
    weights = noise_weight(distances, is_fake, 0.5, elapsed)
    assert weights.tolist() == pytest.approx([*expected, 1, 1])


def test_just_below_lambda_the_weight_jumps():
    """To 1 - 0.5 (1 - 0.5): the formula as printed is not continuous there."""
    below = torch.tensor([math.nextafter(0.5, 0) - 1e-7])
    assert noise_weight(below, torch.tensor([True]), 0.5, 0.5).tolist() == pytest.approx([0.75])


@given(st.lists(angle, min_size=1, max_size=4), st.lists(angle, min_size=1, max_size=3), st.floats(0.01, 100))
def test_distances_are_those_of_the_nearest_direction(features: list[float], centres: list[float], length: float):
    gaps = [min(abs(one - other) for other in centres) for one in features]
    found = {kind: noise_distance(at(*features, length=length), at(*centres), kind) for kind in ("cosine", "l2")}
    assert found["cosine"].tolist() == pytest.approx([1 - math.cos(gap) for gap in gaps], abs=1e-5)
    assert found["l2"].tolist() == pytest.approx([2 * math.sin(gap / 2) for gap in gaps], abs=1e-5)


def test_distances_stay_float32_under_bfloat16():
    """Two directions 0.02 apart, which bfloat16 rounds to one: 1 - cos is 0.0002."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = noise_distance(at(0.02), at(0.0), "cosine")
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(1 - math.cos(0.02), rel=1e-3)


def test_centres_of_separable_points_are_their_means():
    rng = np.random.default_rng(0)
    means = np.array([[0, 0, 9], [9, 0, 0], [0, 9, 0], [9, 9, 9]], np.float32)
    members = means[:, None] + rng.normal(0, 0.1, (4, 30, 3)).astype(np.float32)
    found = k_means(rng.permutation(members.reshape(-1, 3)), 4, seed=1)
    expected = members.mean(1, dtype=np.float64)
    nearest = np.linalg.norm(found[:, None] - expected, axis=2).argmin(1)
    assert sorted(nearest) == [0, 1, 2, 3]
    np.testing.assert_allclose(found, expected[nearest], atol=1e-6)


def test_the_seed_decides_over_centres_to_the_last_bit():
    points = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    first, second, other = (k_means(points, 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


rank = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])


@given(st.lists(st.lists(rank, min_size=1, max_size=6), max_size=6), st.integers(1, 8))
def test_the_highest_ranks_are_held_however_they_come(batches: list[list[float]], size: int):
    """Features are numbered in the order in which they come; of equal ranks the first stay."""
    memory = RealMemory(channels=1, size=size, centres=2)
    numbers = iter(range(100))
    for ranks in batches:
        memory.offer(torch.tensor([[float(next(numbers))] for _ in ranks]), torch.tensor(ranks))
    positive = [(-one, number) for number, one in enumerate(one for batch in batches for one in batch) if one > 0]
    expected = sorted(positive)[:size]
    held = memory.ranks > 0
    assert memory.features[held, 0].tolist() == [number for _, number in expected]
    assert memory.ranks[held].tolist() == [-one for one, _ in expected]


@pytest.mark.parametrize(("held", "has_centres"), [(0, False), (2, False), (3, True), (5, True)])
def test_fewer_features_than_centres_give_none(held: int, has_centres: bool):
    memory = RealMemory(channels=2, size=6, centres=3)
    memory.offer(torch.eye(6)[:, :2] + torch.arange(6.0)[:, None], (torch.arange(6) < held).float())
    assert memory.find_centres(seed=0) == held
    assert bool(memory.has_centres) is has_centres
    assert int(memory.clustered) == held


def test_too_few_features_take_earlier_centres_out_of_use():
    memory = RealMemory(channels=2, size=4, centres=2)
    memory.offer(torch.rand(4, 2), torch.ones(4))
    memory.find_centres(seed=0)
    memory.forget()
    assert bool(memory.has_centres), "centres outlive the memory that they were made of"
    memory.find_centres(seed=0)
    assert not bool(memory.has_centres)
