"""RCR against the printed sums, written out pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import load_config
from config.pseudofake import PseudoFakeConfig
from detectors.fia_usa.regions import compare, contrast, regions
from tests.training.portraits import SIDE, landmarks
from training.pseudofakes.compose import make_pseudo_fake

LEAST, MOST = math.log(1 + math.exp(-2 / 0.7)), math.log(1 + math.exp(2 / 0.7))


def cosine(one, other):
    return one @ other / (np.linalg.norm(one) * np.linalg.norm(other))


def double_sum(features, region, others, other_region):
    """Delta of equation 5: the cosines of each pixel (C,) of one region with each of the other, in float64."""
    pixels, other_pixels = (one[:, where].T for one, where in ((features, region), (others, other_region)))
    return np.array([[cosine(one, other) for other in other_pixels] for one in pixels])


def drawn(seed, pairs=3, channels=5, side=6):
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(2, pairs, channels, side, side))
    mask = np.zeros((pairs, 1, 2 * side, 2 * side))
    for one in mask:
        top, left = rng.integers(0, side, 2)
        one[:, top : top + side, left : left + side] = rng.choice([0.5, 1.0])
    return real, fake, mask


def compared(real, fake, mask, similarity="mean", edge=0.05):
    return compare(*(torch.tensor(one, dtype=torch.float32) for one in (real, fake, mask)), edge, similarity)


def test_a_cell_on_the_boundary_belongs_to_neither_region():
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., :3] = 1  # cells of 2 x 2 pixels: inside, half, outside
    mask[0, 0, 0, 0] = 0.9  # a share of 0.975
    for edge, upper in ((0.05, 1), (0.02, 0), (0.0, 0)):
        inside, outside = regions(mask, torch.Size((2, 3)), edge)
        assert inside[0, 0].tolist() == [[upper, 0, 0], [1, 0, 0]]
        assert outside[0, 0].tolist() == [[0, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize("seed", range(3))
def test_similarities_are_the_double_sum_of_cosines(seed):
    real, fake, mask = drawn(seed)
    found = {similarity: compared(real, fake, mask, similarity) for similarity in ("mean", "sum", "aligned")}
    for n in range(len(mask)):
        inside, outside = (one[n, 0].numpy() > 0 for one in regions(torch.tensor(mask), torch.Size((6, 6)), 0.05))
        r, f = real[n], fake[n]
        of_pixels = [
            double_sum(r, inside, r, outside),
            double_sum(f, inside, f, outside),
            double_sum(r, outside, f, outside),
            double_sum(r, inside, f, inside),
        ]
        is_whole = bool(inside.any() and outside.any())
        assert [found[name][n, 4].item() for name in found] == [is_whole] * 3
        if not is_whole:
            continue
        np.testing.assert_allclose(found["mean"][n, :4], [one.mean() for one in of_pixels], atol=1e-6)
        np.testing.assert_allclose(found["sum"][n, :4], [one.sum() for one in of_pixels], rtol=1e-4, atol=1e-3)
        aligned = [of_pixels[0].mean(), of_pixels[1].mean(), *(np.diag(one).mean() for one in of_pixels[2:])]
        np.testing.assert_allclose(found["aligned"][n, :4], aligned, atol=1e-6)


def test_the_masks_of_these_cases_are_whole_and_not():
    of_all = torch.cat([compared(*drawn(seed))[:, 4] for seed in range(3)])
    assert 0 < of_all.sum() < len(of_all)


def test_few_cells_of_a_small_soft_mask_are_wholly_inside():
    """Why a cell is inside from 95 % on: without that the pairs with masks of the eyes often have no inside."""
    keys = ("mask.mtms=[eyes]", "reconstruction.autoencoder=0", "reconstruction.super_resolution=0")
    composition = load_config(PseudoFakeConfig, "fia_usa", keys)
    image = np.zeros((256, 256, 3), np.uint8)
    points = landmarks() * 256 / SIDE
    empty = dict.fromkeys((0.05, 0.0), 0)
    for seed in range(40):
        soft = make_pseudo_fake(image, points, composition, np.random.default_rng(seed)).mask
        mask = torch.from_numpy(np.rint(soft * 255) / 255)[None, None]
        for edge in empty:
            inside, outside = regions(mask, torch.Size((64, 64)), edge)
            assert outside.any()
            empty[edge] += not inside.any()
    assert empty[0.05] == 0
    assert empty[0.0] > 10  # 19 as this was written


def test_similarities_are_float32_whatever_comes_in():
    real, fake, mask = (torch.tensor(one) for one in drawn(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = compare(real.bfloat16(), fake.bfloat16(), mask, 0.05, "mean")
    assert found.dtype == torch.float32
    expected = compare(real.bfloat16().float(), fake.bfloat16().float(), mask, 0.05, "mean")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_contrast_by_hand():
    near, far = torch.tensor([0.8, -0.2, 0.5]), torch.tensor([0.1, 0.4, -1.0])
    counts = torch.tensor([True, True, False])
    above = math.exp(0.8 / 0.7) + math.exp(-0.2 / 0.7)
    below = math.exp(0.1 / 0.7) + math.exp(0.4 / 0.7)
    assert contrast(near, far, counts, 0.7).item() == pytest.approx(-math.log(above / (above + below)), abs=1e-6)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_contrast_stays_in_its_range(pairs, seed):
    near, far = (torch.tensor(one) for one in np.random.default_rng(seed).uniform(-1, 1, (2, pairs)))
    everyone = torch.ones(pairs, dtype=torch.bool)
    assert LEAST <= contrast(near, far, everyone, 0.7).item() <= MOST
    assert contrast(near, near, everyone, 0.7).item() == pytest.approx(math.log(2))


def test_the_ends_of_the_range():
    ones, everyone = torch.ones(6), torch.ones(6, dtype=torch.bool)
    assert (
        contrast(ones, -ones, everyone, 0.7).item() == pytest.approx(LEAST, abs=1e-6) == pytest.approx(0.056, abs=1e-3)
    )
    assert (
        contrast(-ones, ones, everyone, 0.7).item() == pytest.approx(MOST, abs=1e-6) == pytest.approx(2.913, abs=1e-3)
    )


def test_a_pair_without_a_region_changes_neither_loss_nor_gradient():
    real, fake, mask = drawn(1)
    mask[:] = 0
    mask[:, :, :4, :4] = 1
    outcomes = []
    for emptied in (None, 0.0, 1.0):
        given_real = torch.tensor(real, dtype=torch.float32, requires_grad=True)
        changed = mask if emptied is None else np.concatenate([mask[:2], np.full_like(mask[2:], emptied)])
        found = compare(given_real, torch.tensor(fake, dtype=torch.float32), torch.tensor(changed), 0.05, "mean")
        counted = found[:2] if emptied is None else found
        loss = contrast(counted[:, 0], counted[:, 1], counted[:, 4].bool(), 0.7)
        (gradient,) = torch.autograd.grad(loss, given_real)
        outcomes.append((loss, gradient))
    for loss, gradient in outcomes[1:]:
        torch.testing.assert_close(loss, outcomes[0][0])
        torch.testing.assert_close(gradient, outcomes[0][1])
        assert not gradient[2].any()


def test_without_any_pair_the_loss_is_zero_and_its_gradient_too():
    real, fake, mask = drawn(1)
    given_real = torch.tensor(real, dtype=torch.float32, requires_grad=True)
    found = compare(given_real, torch.tensor(fake, dtype=torch.float32), torch.zeros(mask.shape), 0.05, "mean")
    loss = contrast(found[:, 0], found[:, 1], found[:, 4].bool(), 0.7)
    assert loss.item() == 0
    (gradient,) = torch.autograd.grad(loss, given_real)
    assert not gradient.any()
