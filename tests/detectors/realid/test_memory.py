"""The prototypes against the printed sums, written out sample by sample."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.realid.memory import Memory

CHANNELS = 5


def memory_of(prototypes, trained=False):
    memory = Memory(len(prototypes), len(prototypes[0]), trained=trained)
    with torch.no_grad():
        memory.prototypes.copy_(torch.tensor(prototypes))
    return memory


def unit(rng, count, channels=CHANNELS):
    vectors = rng.normal(size=(count, channels))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def as_printed(prototypes, features):
    """Equations 2 to 6 in loops and float64, with the sums of w over the prototypes."""
    count, samples = len(prototypes), len(features)
    likeness = [[math.exp(prototypes[i] @ features[j]) for j in range(samples)] for i in range(count)]
    w = [[likeness[i][j] / sum(likeness[k][j] for k in range(count)) for j in range(samples)] for i in range(count)]
    v = [[likeness[i][j] / sum(likeness[i]) for j in range(samples)] for i in range(count)]
    sets = [[j for j in range(samples) if max(range(count), key=lambda k: w[k][j]) == i] for i in range(count)]
    updated = []
    for k, members in enumerate(sets):
        if not members:
            updated.append(prototypes[k])
            continue
        highest = max(v[k][j] for j in members)
        moved = prototypes[k] + sum(v[k][j] / highest * features[j] for j in members)
        updated.append(moved / np.linalg.norm(moved))
    return np.array(updated), [len(members) for members in sets]


def test_two_prototypes_and_three_samples_by_hand():
    memory = memory_of([[1.0, 0.0], [0.0, 1.0]])
    # The first and the third are nearest to m1, with v' = e^-0.2 and 1; the second to m2, with v' = 1.
    memory.update(torch.tensor([[0.8, 0.6], [0.6, 0.8], [1.0, 0.0]]), torch.tensor([True] * 3))
    share = math.exp(-0.2)
    first = np.array([1 + 0.8 * share + 1, 0.6 * share])
    second = np.array([0.6, 1.8])
    expected = np.stack([first / np.hypot(*first), second / np.hypot(*second)])
    np.testing.assert_allclose(memory.prototypes, expected, atol=1e-6)
    np.testing.assert_allclose(expected, [[0.983310, 0.181937], [0.316228, 0.948683]], atol=1e-6)
    assert memory.usage.tolist() == [2, 1]


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_an_update_is_the_printed_one_whatever_the_order_of_the_batch(seed, count, samples):
    rng = np.random.default_rng(seed)
    prototypes, features = unit(rng, count), unit(rng, samples)
    expected, usage = as_printed(prototypes, features)
    for order in (np.arange(samples), rng.permutation(samples)):
        memory = memory_of(prototypes.tolist())
        memory.update(torch.tensor(features[order], dtype=torch.float32), torch.ones(samples, dtype=torch.bool))
        np.testing.assert_allclose(memory.prototypes, expected, atol=1e-5)
        np.testing.assert_allclose(memory.prototypes.norm(dim=1), 1, atol=1e-6)
        assert memory.usage.tolist() == usage


def test_samples_of_the_other_class_move_nothing():
    rng = np.random.default_rng(0)
    prototypes, features = unit(rng, 4), unit(rng, 8)
    belongs = np.arange(8) % 3 == 0
    alone, among = memory_of(prototypes.tolist()), memory_of(prototypes.tolist())
    alone.update(torch.tensor(features[belongs], dtype=torch.float32), torch.ones(3, dtype=torch.bool))
    among.update(torch.tensor(features, dtype=torch.float32), torch.tensor(belongs))
    assert torch.allclose(alone.prototypes, among.prototypes, atol=1e-6)
    assert torch.equal(alone.usage, among.usage)


def test_without_a_sample_a_prototype_keeps_its_bits():
    torch.manual_seed(0)
    memory = Memory(10, 64, "normal")  # far from each other
    before = memory.prototypes.clone()
    memory.update(torch.randn(4, 64), torch.zeros(4, dtype=torch.bool))
    assert torch.equal(memory.prototypes, before)
    memory.update(before[3:4] * 0.9 + before[4:5] * 0.1, torch.tensor([True]))
    assert [torch.equal(*pair) for pair in zip(memory.prototypes, before, strict=True)] == [k != 3 for k in range(10)]
    assert memory.usage.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_what_an_optimiser_has_lengthened_is_of_length_one_again_with_or_without_a_sample():
    memory = memory_of([[2.0, 0.0], [0.0, 0.5], [-1.2, -1.6]], trained=True)
    memory.update(torch.tensor([[0.8, 0.6]]), torch.tensor([True]))
    expected = [np.array([2.8, 0.6]) / np.hypot(2.8, 0.6), [0.0, 1.0], [-0.6, -0.8]]
    np.testing.assert_allclose(memory.prototypes.detach(), expected, atol=1e-6)
    assert memory.usage.tolist() == [1, 0, 0]


def test_one_prototype_may_take_all_samples():
    memory = memory_of([[1.0, 0.0], [-1.0, 0.0]])
    memory.update(torch.tensor([[0.6, 0.8], [0.8, 0.6], [0.8, -0.6], [0.6, -0.8]]), torch.ones(4, dtype=torch.bool))
    assert torch.allclose(memory.prototypes, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), atol=1e-6)
    assert memory.usage.tolist() == [4, 0]


def test_what_w_is_normalised_over_can_change_the_nearest():
    memory = memory_of([[0.9, 0.8], [0.0, 0.7]])
    features, everyone = torch.eye(2), torch.tensor([True, True])
    likeness = np.exp([[0.9, 0.8], [0.0, 0.7]])
    found = {}
    for over, w in (("prototypes", likeness / likeness.sum(0)), ("samples", likeness / likeness.sum(1, keepdims=True))):
        found[over] = memory.nearest(features, everyone, over)
        np.testing.assert_array_equal(found[over], np.stack([w.argmax(0), w.argmin(0)], 1))
    assert found["prototypes"][1, 0] == 0
    assert found["samples"][1, 0] == 1


@pytest.mark.parametrize(("initial", "cosine"), [("uniform", 0.75), ("normal", 0.0)])
def test_how_parallel_the_first_prototypes_are(initial, cosine):
    torch.manual_seed(0)
    prototypes = Memory(10, 1792, initial).prototypes
    np.testing.assert_allclose(prototypes.norm(dim=1), 1, atol=1e-5)
    between = (prototypes @ prototypes.T)[~torch.eye(10, dtype=torch.bool)]
    assert between.mean().item() == pytest.approx(cosine, abs=0.02)


def test_a_buffer_has_no_gradient_and_a_parameter_has():
    assert not list(Memory(3, CHANNELS).parameters())
    trained = Memory(3, CHANNELS, trained=True)
    trained.similarities(torch.randn(4, CHANNELS)).sum().backward()
    assert trained.prototypes.grad is not None
    trained.update(torch.randn(4, CHANNELS), torch.ones(4, dtype=torch.bool))
    assert trained.usage.sum() == 4
