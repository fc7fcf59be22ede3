import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.pseudofakes.blur import (
    BoundaryBlur,
    blur_boundary,
    blur_outside,
    draw_blur,
    redraw_kernels,
    soften_boundary,
)

SIZE = 200
KINDS = ("gaussian", "average", "median")


def rectangle(dtype: type = np.float32, value: int = 1) -> np.ndarray:
    """80 rows x 100 columns, from (60, 50) to before (140, 150)."""
    mask = np.zeros((SIZE, SIZE), dtype)
    mask[60:140, 50:150] = value
    return mask


def at_own_size(erosion: int = 1, softening: int = 1, sigma: float = 5, kind: str = "gaussian") -> BoundaryBlur:
    return BoundaryBlur(SIZE, SIZE, erosion, softening, sigma, kind)


def ellipse(dtype: type, value: int = 1) -> np.ndarray:
    """A face's shape; its edge is curved, so that each direction of the kernel takes part."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    inside = ((columns - 100) / 50) ** 2 + ((rows - 100) / 80) ** 2 <= 1
    return (inside * value).astype(dtype)


def gaussian_along(line: np.ndarray, kernel: int, sigma: float) -> np.ndarray:
    """One row or column blurred, in float64 and by the formula; as wide as the line, so its ends are not to be used."""
    offsets = np.arange(kernel) - kernel // 2
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.convolve(line, weights / weights.sum(), mode="same")


@pytest.mark.parametrize("kind", ["gaussian", "average"])
@pytest.mark.parametrize("kernel", [5, 13, 25])
def test_first_pass_takes_half_a_kernel_from_each_side_of_a_float_mask(kind: str, kernel: int):
    margin = kernel // 2
    expected = np.zeros((SIZE, SIZE), np.float32)
    expected[60 + margin : 140 - margin, 50 + margin : 150 - margin] = 1
    np.testing.assert_array_equal(blur_boundary(rectangle(), at_own_size(erosion=kernel, kind=kind)), expected)


@pytest.mark.parametrize("sigma", [5, 45])
def test_second_pass_is_the_gaussian_of_its_kernel_and_sigma(sigma: float):
    soft = blur_boundary(rectangle(), at_own_size(erosion=5, softening=15, sigma=sigma))
    rows, columns = np.zeros(SIZE), np.zeros(SIZE)
    rows[62:138] = columns[52:148] = 1
    expected = np.outer(gaussian_along(rows, 15, sigma), gaussian_along(columns, 15, sigma))
    np.testing.assert_allclose(soft, expected / expected.max(), atol=1e-5)


def test_average_ends_in_a_straight_ramp():
    soft = blur_boundary(rectangle(), at_own_size(erosion=5, softening=9, kind="average"))
    np.testing.assert_allclose(soft[100, 48:57], np.arange(1, 10) / 9, atol=1e-5)


def test_median_moves_corners_only_and_softens_nothing():
    soft = blur_boundary(rectangle(), at_own_size(erosion=15, softening=15, kind="median"))
    assert set(np.unique(soft)) == {0, 1}
    changed = np.argwhere(soft != rectangle())
    assert len(changed) > 0
    corners = np.array([[60, 50], [60, 149], [139, 50], [139, 149]])
    assert (np.abs(changed[:, None] - corners).max(axis=2).min(axis=1) < 15).all()


@pytest.mark.parametrize("kernel", [5, 11, 15, 19])
def test_a_bytes_mask_is_hardly_eroded_a_float_mask_is(kernel: int):
    def kept(dtype: type, value: int = 1) -> int:
        return int(blur_boundary(ellipse(dtype, value), at_own_size(erosion=kernel)).sum())

    pixels = int(ellipse(np.uint8).sum())
    perimeter = cv2.arcLength(cv2.findContours(ellipse(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0][0], True)
    assert kept(np.uint8) > 0.99 * pixels
    # A band along the edge goes, at least half a kernel wide (more where the edge is oblique to the kernel's square).
    assert pixels - kept(np.float32) > 0.8 * (kernel // 2) * perimeter
    # Rounding to 256 levels instead of 2 keeps what lies under the kernel's faint corners alone.
    assert kept(np.float32) <= kept(np.uint8, 255) < kept(np.uint8)
    assert kept(np.float32, 255) == pytest.approx(kept(np.float32), rel=0.01)


def test_bytes_round_at_one_half():
    """The mechanism: a byte pixel stays where the mask's Gaussian is above one half, on either side of the edge."""
    mask = ellipse(np.uint8)
    first_pass = cv2.GaussianBlur(mask.astype(np.float64), (15, 15), 0)
    eroded = blur_boundary(mask, at_own_size(erosion=15))
    clear = np.abs(first_pass - 0.5) > 0.01
    np.testing.assert_array_equal(eroded[clear], first_pass[clear] > 0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_nothing_stays_nothing(dtype: type, kind: str):
    empty = np.zeros((60, 90), dtype)
    blur = draw_blur(np.random.default_rng(0), kind)
    for soft in (blur_boundary(empty, blur), soften_boundary(empty, blur), blur_outside(empty, 7)):
        assert soft.dtype == np.float32
        assert soft.shape == (60, 90)
        assert not soft.any()


def test_a_line_that_vanishes_in_bytes_leaves_zeros_and_its_peak_in_floats():
    line = np.zeros((SIZE, SIZE), np.uint8)
    line[100, 40:160] = 1
    blur = at_own_size(erosion=15, softening=5)
    assert not blur_boundary(line, blur).any()
    assert blur_boundary(line.astype(np.float32), blur).max() == 1
    assert not blur_boundary(line.astype(np.float32), dataclasses.replace(blur, kind="median")).any()


def test_second_pass_alone_erodes_nothing():
    line = np.zeros((SIZE, SIZE), np.uint8)
    line[100, 40:160] = 1
    soft = soften_boundary(line, at_own_size(erosion=25, softening=5, sigma=5))
    profile = gaussian_along(np.eye(SIZE)[100], 5, 5)
    np.testing.assert_allclose(soft[:, 100], profile / profile.max(), atol=1e-6)


@pytest.mark.parametrize("kernel", [3, 15, 27])
def test_outside_is_blurred_and_the_inside_stays(kernel: int):
    soft = blur_outside(rectangle(np.uint8, 255), kernel)
    inside = rectangle() == 1
    assert (soft[inside] == 1).all()
    reach = cv2.dilate(rectangle(np.uint8), np.ones((kernel, kernel), np.uint8)) > 0
    assert not soft[~reach].any()
    # OpenCV's rule for a sigma that is not given, and its own weights for a kernel of 3.
    row = gaussian_along(rectangle()[100], kernel, 0.3 * ((kernel - 1) / 2 - 1) + 0.8)
    np.testing.assert_allclose(soft[100, :50], row[:50], atol=0.012 if kernel == 3 else 1e-5)


def test_size_of_the_blur_scales_its_reach():
    large = cv2.resize(rectangle(), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_NEAREST)
    eroded = blur_boundary(large, at_own_size(erosion=21))
    assert eroded.shape == (2 * SIZE, 2 * SIZE)
    # 10 pixels of the size of the blur, which are 20 of the mask, are gone on each side.
    assert eroded.sum() == pytest.approx((160 - 40) * (200 - 40), rel=0.01)


@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from([np.uint8, np.float32]),
    shape=st.tuples(st.integers(2, 300), st.integers(2, 300)),
)
def test_range_shape_and_type_of_any_mask(seed: int, kind: str, dtype: type, shape: tuple[int, int]):
    rng = np.random.default_rng(seed)
    hull = cv2.convexHull((rng.random((6, 2)) * shape[::-1]).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(shape, dtype), hull, 1)
    before = mask.copy()
    blur = draw_blur(rng, kind)
    soft = blur_boundary(mask, blur)
    assert soft.dtype == np.float32
    assert soft.shape == shape
    assert soft.min() >= 0
    assert soft.max() <= 1
    np.testing.assert_array_equal(mask, before)
    np.testing.assert_array_equal(soft, blur_boundary(mask, blur))


def test_draws_cover_their_ranges_and_nothing_else():
    rng = np.random.default_rng(1)
    blurs = [draw_blur(rng) for _ in range(3000)]
    sides = set(range(192, 257))
    assert {blur.height for blur in blurs} == sides
    assert {blur.width for blur in blurs} == sides
    assert any(blur.height != blur.width for blur in blurs)
    for name in ("erosion", "softening"):
        assert {getattr(blur, name) for blur in blurs} == set(range(5, 26, 2))
    assert {blur.sigma for blur in blurs} == set(range(5, 46))
    assert draw_blur(np.random.default_rng(5)) == draw_blur(np.random.default_rng(5))


def test_kernels_drawn_again_share_the_size_alone():
    rng = np.random.default_rng(2)
    pairs = [(first, redraw_kernels(first, rng)) for first in (draw_blur(rng, "average") for _ in range(200))]
    assert all((a.height, a.width, a.kind) == (b.height, b.width, b.kind) for a, b in pairs)
    for name in ("erosion", "softening", "sigma"):
        values = np.array([[getattr(a, name), getattr(b, name)] for a, b in pairs])
        assert abs(np.corrcoef(values.T)[0, 1]) < 0.25
