import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from config.pseudofake import PseudoFakeConfig
from training.pseudofakes.blend import blend, draw_ratio, transfer_colour

RATIOS = PseudoFakeConfig().ratios
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def images(seed: int, shape: tuple[int, int] = (37, 53)) -> tuple[np.ndarray, np.ndarray]:
    source, target = np.random.default_rng(seed).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    return source, target


@given(data=st.data(), shape=SHAPES, ratio=st.sampled_from(sorted(set(RATIOS))))
def test_blend_is_the_formula_and_exact_at_both_ends(data: st.DataObject, shape: tuple[int, int], ratio: float):
    source, target = (data.draw(arrays.arrays(np.uint8, (*shape, 3))) for _ in range(2))
    share = st.sampled_from([0.0, 1.0]) | st.floats(0, 1, width=32)
    mask = data.draw(arrays.arrays(np.float32, shape, elements=share))
    blended = blend(source, target, mask, ratio)
    weight = mask.astype(np.float64)[..., None] * ratio
    exact = weight * source + (1 - weight) * target
    assert blended.dtype == np.uint8
    assert np.abs(blended - exact).max() <= 0.51
    np.testing.assert_array_equal(blended[mask == 0], target[mask == 0])
    if ratio == 1:
        np.testing.assert_array_equal(blended[mask == 1], source[mask == 1])


def test_every_pair_of_levels_at_both_ends():
    source, target = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    source, target = (np.dstack([image] * 3) for image in (source, target))
    ones = np.ones((256, 256), np.float32)
    np.testing.assert_array_equal(blend(source, target, ones), source)
    np.testing.assert_array_equal(blend(source, target, 0 * ones), target)
    np.testing.assert_array_equal(blend(target, target, ones / 3), target)


def test_change_is_proportional_to_the_ratio():
    source, target = images(1)
    mask = np.random.default_rng(2).random(source.shape[:2], dtype=np.float32)
    full = blend(source, target, mask, 1.0).astype(float) - target
    for ratio in (0.25, 0.5, 0.75):
        part = blend(source, target, mask, ratio).astype(float) - target
        assert np.abs(part - ratio * full).max() <= 0.51 + 0.51 * ratio


def test_inputs_are_left_alone():
    source, target = images(3)
    mask = np.full(source.shape[:2], 0.5, np.float32)
    before = source.copy(), target.copy(), mask.copy()
    blend(source, target, mask, 0.5)
    transfer_colour(source, target, mask)
    for value, old in zip((source, target, mask), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_ratios_are_drawn_as_often_as_listed():
    rng = np.random.default_rng(4)
    drawn = [draw_ratio(RATIOS, rng) for _ in range(6000)]
    for ratio, share in ((0.25, 1 / 6), (0.5, 1 / 6), (0.75, 1 / 6), (1.0, 1 / 2)):
        assert drawn.count(ratio) / len(drawn) == pytest.approx(share, abs=4 * np.sqrt(0.25 / len(drawn)))
    assert set(drawn) == set(RATIOS)
    assert [draw_ratio(RATIOS, np.random.default_rng(5)) for _ in range(3)] == [
        draw_ratio(RATIOS, np.random.default_rng(5))
    ] * 3


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colours_inside_become_the_targets(dtype: type):
    rng = np.random.default_rng(6)
    source = rng.normal([90, 120, 150], [10, 20, 15], (80, 90, 3)).clip(0, 255).astype(np.uint8)
    target = rng.normal([140, 100, 110], [15, 12, 15], (80, 90, 3)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((80, 90), dtype)
    mask[20:60, 30:70] = 1
    target[mask == 0] = 255  # what lies outside does not count
    source[mask == 0] //= 2
    moved = transfer_colour(source, target, mask)
    inside = mask > 0
    np.testing.assert_allclose(moved[inside].mean(axis=0), target[inside].mean(axis=0), atol=0.5)
    np.testing.assert_allclose(moved[inside].std(axis=0), target[inside].std(axis=0), atol=0.5)


@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES)
def test_colour_transfer_is_the_formula(seed: int, shape: tuple[int, int]):
    source, target = images(seed, shape)
    mask = (np.random.default_rng(seed).random(shape) < 0.5).astype(np.float32)
    moved = transfer_colour(source, target, mask)
    inside = mask > 0
    assume(inside.any() and (source[inside].std(axis=0) > 0).all())
    mine, its = source[inside].astype(float), target[inside].astype(float)
    exact = (source - mine.mean(axis=0)) / mine.std(axis=0) * its.std(axis=0) + its.mean(axis=0)
    assert np.abs(moved - exact.clip(0, 255)).max() <= 0.5001


def test_colours_that_agree_already_stay():
    source, _ = images(7)
    np.testing.assert_array_equal(transfer_colour(source, source, np.ones(source.shape[:2], np.uint8)), source)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_constant_channel_is_shifted(level: int):
    source, target = images(8, (70, 70))
    mask = np.zeros((70, 70), np.uint8)
    mask[5:64, 6:64] = 1  # of 59 * 58 pixels at 255, rounding makes the deviation a little more than 0
    source[mask > 0, 1] = level
    moved = transfer_colour(source, target, mask)
    mean = target[mask > 0, 1].mean()
    assert np.abs(moved[mask > 0, 1] - mean).max() <= 0.5
    np.testing.assert_array_equal(
        moved[..., 1], np.clip(np.rint(source[..., 1] + (mean - level)), 0, 255).astype(np.uint8)
    )


def test_without_a_mask_the_source_stays():
    source, target = images(9)
    moved = transfer_colour(source, target, np.zeros(source.shape[:2], np.float32))
    np.testing.assert_array_equal(moved, source)
    assert not np.shares_memory(moved, source)
