from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from config.pseudofake import Displacement
from training.pseudofakes.warp import (
    Warp,
    draw_warp,
    elastic_field,
    result_of,
    source_of,
    warp_image,
    warp_mask,
    warp_part,
)

SIDE = 128
FIELDS = 300
LAGS = np.array([4, 7, 10, 14, 20])


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.concatenate([elastic_field(SIDE, SIDE, rng) for _ in range(FIELDS)])


@pytest.fixture(scope="module")
def references() -> np.ndarray:
    """What the field stands for: a Gaussian filter over noise for each pixel."""
    rng = np.random.default_rng(2)
    return np.stack([50 * gaussian_filter(rng.uniform(-1, 1, (SIDE, SIDE)), 7) for _ in range(2 * FIELDS)])


def drawn(height: int, width: int, rng: np.random.Generator) -> Warp:
    """Both parts."""
    return replace(draw_warp(Displacement(), rng), elastic=elastic_field(height, width, rng))


def inner(fields: np.ndarray) -> np.ndarray:
    """Without the margin where the reflection at the border adds variance."""
    return fields[:, 24:-24, 24:-24]


def autocorrelation(fields: np.ndarray, axis: int) -> np.ndarray:
    lines = np.moveaxis(fields, axis, 0)
    return np.array([(lines[lag:] * lines[:-lag]).mean() for lag in LAGS]) / (lines**2).mean()


def test_the_displacement_has_the_full_size_fields_deviation(fields, references):
    assert inner(fields).std() == pytest.approx(50 / np.sqrt(3) / (2 * np.sqrt(np.pi) * 7), rel=0.03)
    assert inner(fields).std() == pytest.approx(inner(references).std(), rel=0.03)
    assert abs(fields.mean()) < 0.05


def test_the_displacement_has_the_full_size_fields_autocorrelation(fields, references):
    for axis in (1, 2):
        ours = autocorrelation(inner(fields), axis)
        np.testing.assert_allclose(ours, np.exp(-(LAGS**2) / (4 * 7**2)), atol=0.03)
        np.testing.assert_allclose(ours, autocorrelation(inner(references), axis), atol=0.03)


def test_the_displacement_has_the_full_size_fields_spectrum(fields, references):
    """Power in rings of frequency under a Hann window: as far as there is some, and almost none beyond."""
    y, x = np.meshgrid(np.fft.fftfreq(SIDE, 1 / SIDE), np.fft.fftfreq(SIDE, 1 / SIDE), indexing="ij")
    ring = np.rint(np.hypot(x, y)).astype(int).ravel()
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    ours, theirs = (
        np.bincount(ring, (np.abs(np.fft.fft2(maps * window)) ** 2).mean(axis=0).ravel())
        for maps in (fields, references)
    )
    np.testing.assert_allclose(ours[1:7], theirs[1:7], rtol=0.08)
    assert ours[12:].sum() < 1e-4 * ours.sum()
    assert theirs[12:].sum() < 1e-4 * theirs.sum()


def test_no_pixel_of_a_cell_moves_more_than_another(fields):
    variances = (inner(fields) ** 2).mean(axis=0).reshape(20, 4, 20, 4).mean(axis=(0, 2))
    assert variances.max() / variances.min() < 1.02


def test_displacements_in_x_and_y_are_independent(fields):
    assert abs(np.corrcoef(inner(fields)[0::2].ravel(), inner(fields)[1::2].ravel())[0, 1]) < 0.03
    np.testing.assert_array_equal(fields[0:2], elastic_field(SIDE, SIDE, np.random.default_rng(1)))


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=30, deadline=None)
def test_the_field_has_the_images_size(height, width):
    field = elastic_field(height, width, np.random.default_rng(0))
    assert field.shape == (2, height, width)
    assert field.dtype == np.float32
    assert np.isfinite(field).all()


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_the_identity_is_exact(height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width), dtype=np.float32)
    np.testing.assert_array_equal(warp_image(image, Warp()), image)
    np.testing.assert_array_equal(warp_mask(mask, Warp()), mask)
    still = Warp(elastic=np.zeros((2, height, width), np.float32))
    np.testing.assert_array_equal(warp_mask(mask, still), mask)


@pytest.mark.parametrize("elastic", [None, np.zeros((2, 40, 50), np.float32)])
def test_a_whole_shift_moves_right_and_down_and_brings_in_nothing(elastic):
    rng = np.random.default_rng(3)
    image, mask = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), rng.random((40, 50), dtype=np.float32)
    warp = Warp(translate=(3 / 50, 2 / 40), elastic=elastic)
    for given_, moved in ((image, warp_image(image, warp)), (mask, warp_mask(mask, warp))):
        expected = np.zeros_like(given_)
        expected[2:, 3:] = given_[:-2, :-3]
        np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize("elastic", [None, np.zeros((2, 101, 101), np.float32)])
def test_scale_is_about_the_centre_and_of_each_axis(elastic):
    mask = np.zeros((101, 101), np.float32)
    mask[30:71, 30:71] = 1
    scaled = warp_mask(mask, Warp(scale=(1.5, 0.5), elastic=elastic))
    y, x = np.nonzero(scaled)
    assert (x.min(), x.max()) == (50 - 30, 50 + 30)
    assert (y.min(), y.max()) == (50 - 10, 50 + 10)


def test_elastic_takes_a_pixel_from_where_it_points_and_reflects_at_the_border():
    mask = np.random.default_rng(4).random((30, 30), dtype=np.float32)
    elastic = np.stack([np.full((30, 30), 2, np.float32), np.full((30, 30), -1, np.float32)])
    padded = np.pad(mask, 2, mode="reflect")
    np.testing.assert_array_equal(warp_mask(mask, Warp(elastic=elastic)), padded[1:31, 4:34])


def test_one_pass_is_affine_then_elastic():
    """Whole steps, where sampling twice loses nothing."""
    rng = np.random.default_rng(5)
    mask, elastic = rng.random((40, 40), dtype=np.float32), rng.integers(-3, 4, (2, 40, 40)).astype(np.float32)
    moved = warp_mask(mask, Warp(translate=(0.1, -0.05)))
    expected = warp_mask(moved, Warp(elastic=elastic))
    np.testing.assert_array_equal(warp_mask(mask, Warp((0.1, -0.05), elastic=elastic)), expected)


def test_image_and_mask_move_together():
    """A white disc and its mask, both without the elastic part, cover the same pixels but for their rims."""
    y, x = np.mgrid[:120, :120]
    disc = np.hypot(x - 55, y - 62) < 30
    for seed in range(10):
        warp = drawn(120, 120, np.random.default_rng(seed))
        moved = warp_image(np.repeat(disc[..., None] * np.uint8(255), 3, axis=2), warp)[..., 0]
        mask = warp_mask(disc.astype(np.float32), Warp(warp.translate, warp.scale))
        assert (mask[moved == 255] == 1).all()
        assert (mask[moved == 0] == 0).all()
        assert (warp_mask(disc.astype(np.float32), warp) != mask).any()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_a_mask_keeps_its_type_and_its_levels(dtype):
    mask = np.zeros((64, 80), dtype)
    mask[10:50, 20:70] = 1
    before = mask.copy()
    warped = warp_mask(mask, drawn(64, 80, np.random.default_rng(6)))
    assert warped.dtype == dtype
    assert set(np.unique(warped)) == {0, 1}
    np.testing.assert_array_equal(mask, before)


def test_draws_fill_their_ranges_and_do_not_depend_on_each_other():
    warps = [draw_warp(Displacement(), np.random.default_rng(seed)) for seed in range(1000)]
    values = np.array([(*warp.translate, *warp.scale) for warp in warps])
    low, high = np.array([-0.03, -0.015, 0.95, 0.95]), np.array([0.03, 0.015, 1 / 0.95, 1 / 0.95])
    assert (low <= values).all()
    assert (values <= high).all()
    assert (np.ptp(values, axis=0) > 0.98 * (high - low)).all()
    assert np.abs(np.corrcoef(values.T) - np.eye(4)).max() < 0.13
    np.testing.assert_allclose(values.mean(axis=0), (low + high) / 2, atol=4 * (high - low).max() / np.sqrt(12_000))


@given(seed=st.integers(0, 2**16), height=st.integers(40, 90), width=st.integers(40, 90))
@settings(max_examples=40, deadline=None)
def test_a_part_is_that_part_of_the_whole(seed, height, width):
    """OpenCV counts places in 32nds of a pixel from where an image begins, so a rim may differ by such a step."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (width, height))
    mask = rng.integers(0, 2, (height, width)).astype(np.float32)
    rows, columns = (sorted(rng.choice(side + 1, 2, replace=False).tolist()) for side in (height, width))
    wanted = slice(*rows), slice(*columns)
    warp = draw_warp(Displacement(), rng)
    place = source_of(wanted, warp, (height, width), 2)
    part = warp_part(image[place], place, warp, (height, width), wanted)
    apart = np.abs(part.astype(int) - warp_image(image, warp)[wanted])
    assert part.shape == (rows[1] - rows[0], columns[1] - columns[0], 3)
    assert np.quantile(apart, 0.95) <= 4
    elastic = elastic_field(height, width, rng)
    expected = warp_mask(mask, replace(warp, elastic=elastic))[wanted]
    np.testing.assert_array_equal(warp_mask(mask, replace(warp, elastic=elastic[:, *wanted]), wanted), expected)


def test_a_window_is_followed_there_and_back():
    window, shape = (slice(40, 60), slice(30, 80)), (100, 120)
    warp = Warp(translate=(0.1, -0.1), scale=(1.25, 0.8))
    moved = result_of(window, warp, shape, 0)
    lit = np.zeros((*shape, 3), np.uint8)
    lit[window] = 255
    rows, columns = np.nonzero(warp_image(lit, warp)[..., 0] > 127)
    for side, places in zip(moved, (rows, columns), strict=True):
        assert side.start <= places.min() <= side.start + 1
        assert side.stop - 2 <= places.max() <= side.stop - 1
    back = source_of(moved, warp, shape, 0)
    for side, first in zip(back, window, strict=True):
        assert first.start - 2 <= side.start <= first.start
        assert first.stop <= side.stop <= first.stop + 2
    assert result_of(window, Warp(), shape, 1000) == (slice(0, 100), slice(0, 120))
