import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter
from scipy.stats import norm

from preprocessing import operators

SIZE = 64
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)


@pytest.fixture
def image() -> np.ndarray:
    noise = np.random.default_rng(7).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 0)


def dot(x: int, y: int) -> np.ndarray:
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    canvas[y, x] = 255
    return canvas


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_a_step_blurred_is_the_normal_distribution(sigma: float):
    step = np.zeros((8, SIZE, 3), np.uint8)
    step[:, SIZE // 2 :] = 255
    places = np.arange(SIZE) - (SIZE - 1) / 2
    blurred = operators.gaussian_blur_of(step, sigma)[4, :, 0]
    np.testing.assert_allclose(blurred, 255 * norm.cdf(places / sigma), atol=4)
    np.testing.assert_array_equal(operators.gaussian_blur_of(step, 0.0), step)


def test_flip_twice_is_the_identity(image):
    points = np.random.default_rng(1).uniform(0, SIZE, (81, 2)).astype(np.float32)
    np.testing.assert_array_equal(operators.flip(operators.flip(image)), image)
    twice = operators.flip_landmark(operators.flip_landmark(points, SIZE), SIZE)
    np.testing.assert_allclose(twice, points, atol=1e-5)


def test_flip_moves_pixel_and_landmark_alike():
    points = np.zeros((81, 2), np.float32)
    points[:] = (5, 9)
    mirrored = operators.flip_landmark(points, SIZE)
    y, x = np.argwhere(operators.flip(dot(5, 9)) == 255)[0]
    np.testing.assert_array_equal(mirrored, np.tile([x, y], (81, 1)))


def test_flip_keeps_the_meaning_of_left_and_right():
    points = np.random.default_rng(2).uniform(20, 40, (81, 2)).astype(np.float32)
    points[LEFT_EYE, 0], points[RIGHT_EYE, 0] = 10, 50
    mirrored = operators.flip_landmark(points, SIZE)
    np.testing.assert_array_equal(mirrored[LEFT_EYE, 0], np.full(6, SIZE - 1 - 50))
    np.testing.assert_array_equal(mirrored[RIGHT_EYE, 0], np.full(6, SIZE - 1 - 10))


def test_quarter_turn_is_exact_and_counter_clockwise(image):
    np.testing.assert_array_equal(operators.rotate(image, 90), np.rot90(image))


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_landmark_turns_with_its_pixel(degrees):
    points = np.array([[12, 20]], np.float32)
    y, x = np.argwhere(operators.rotate(dot(12, 20), degrees) > 200)[0]
    np.testing.assert_allclose(operators.rotate_landmark(points, degrees, SIZE, SIZE), [[x, y]], atol=1e-4)


def test_rotation_reflects_at_the_border():
    assert operators.rotate(np.full((SIZE, SIZE, 3), 90, np.uint8), 10).min() == 90


@pytest.mark.parametrize("weights", [(1, 2, 1), (1, 4, 6, 4, 1)])
def test_blur_spreads_a_dot_by_the_binomial_kernel(weights):
    size = len(weights)
    around = slice(32 - size // 2, 33 + size // 2)
    blurred = operators.gaussian_blur(dot(32, 32), size).astype(int)
    expected = 255 * np.outer(weights, weights) / np.sum(weights) ** 2
    np.testing.assert_allclose(blurred[around, around], expected, atol=0.51)
    assert blurred.sum() == blurred[around, around].sum()


@pytest.mark.parametrize("size", [3, 5, 7])
def test_median_blur_is_the_median_of_each_square(size):
    image = np.random.default_rng(size).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    expected = median_filter(image, size=(size, size, 1), mode="nearest")
    np.testing.assert_array_equal(operators.median_blur(image, size), expected)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(max_examples=30, deadline=None)
def test_brightness_contrast_is_its_formula(brightness, contrast):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    expected = np.clip(np.rint(ramp.astype(float) * (1 + contrast) + 255 * brightness), 0, 255)
    np.testing.assert_array_equal(operators.brightness_contrast(ramp, brightness, contrast), expected)


def test_hue_goes_round_and_saturation_fades():
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    np.testing.assert_array_equal(operators.hue_saturation(red, 60, 0, 0)[0, 0], (0, 255, 0))
    np.testing.assert_array_equal(operators.hue_saturation(red, -60, 0, 0)[0, 0], (0, 0, 255))
    np.testing.assert_array_equal(operators.hue_saturation(red, 0, -255, 0)[0, 0], (255, 255, 255))
    np.testing.assert_array_equal(operators.hue_saturation(red, 0, 0, -55)[0, 0], (200, 0, 0))


@given(st.tuples(*[st.floats(-300, 300)] * 3))
@settings(max_examples=30, deadline=None)
def test_rgb_shift_is_its_formula(shifts):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    expected = np.clip(np.rint(ramp.astype(float) + shifts), 0, 255)
    np.testing.assert_array_equal(operators.rgb_shift(ramp, *shifts), expected)


@given(st.floats(0, 1), st.floats(0, 2))
@settings(max_examples=30, deadline=None)
def test_sharpening_weighs_the_image_against_its_edges(alpha, lightness):
    pixels = np.random.default_rng(5).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    padded = np.pad(pixels.astype(float), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    neighbourhood = sum(padded[y : y + 9, x : x + 12] for y in range(3) for x in range(3))
    edges = 9 * pixels.astype(float) - neighbourhood
    expected = np.clip((1 - alpha) * pixels + alpha * (lightness * pixels + edges), 0, 255)
    np.testing.assert_allclose(operators.sharpen(pixels, alpha, lightness), expected, atol=0.51)


def test_sharpening_by_nothing_is_the_identity(image):
    np.testing.assert_array_equal(operators.sharpen(image, 0, 0.5), image)


@pytest.mark.parametrize("factor", [2, 4])
def test_downscaling_keeps_every_factor_th_pixel(image, factor):
    """Between the kept pixels, which lie (factor - 1) / 2 further on, values are interpolated linearly."""
    x = (np.arange(SIZE) + 0.5) / factor - 0.5
    low = np.clip(np.floor(x), 0, SIZE // factor - 1).astype(int)
    high = np.minimum(low + 1, SIZE // factor - 1)
    weight = np.clip(x - low, 0, 1)[:, None, None]
    kept = image[::factor, ::factor].astype(float)
    rows = kept[low] * (1 - weight) + kept[high] * weight
    columns = rows.swapaxes(0, 1)
    expected = (columns[low] * (1 - weight) + columns[high] * weight).swapaxes(0, 1)
    np.testing.assert_allclose(operators.downscale(image, factor), expected, atol=1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (33, 50)])
def test_downscaling_keeps_the_size_and_by_one_the_pixels(shape):
    pixels = np.random.default_rng(6).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert operators.downscale(pixels, 4).shape == pixels.shape
    np.testing.assert_array_equal(operators.downscale(pixels, 1), pixels)


def test_fancy_pca_adds_the_principal_colour(image):
    flat = image.reshape(-1, 3) / 255.0
    values, vectors = np.linalg.eigh(np.cov(flat.T, bias=True))
    principal = vectors[:, 2] * np.sign(vectors[:, 2].sum())
    expected = np.clip(np.rint(image + 255 * 3.0 * values[2] * principal), 0, 255)
    np.testing.assert_array_equal(operators.fancy_pca(image, np.array([0, 0, 3.0])), expected)


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_NEAREST])
@pytest.mark.parametrize("shape", [(64, 64), (33, 50), (1, 3)])
def test_rotation_is_that_of_each_channel_alone(shape, interpolation):
    pixels = np.random.default_rng(8).integers(0, 256, (*shape, 3), dtype=np.uint8)
    alone = [operators.rotate(np.ascontiguousarray(pixels[..., one]), 8.5, interpolation) for one in range(3)]
    np.testing.assert_array_equal(operators.rotate(pixels, 8.5, interpolation), np.dstack(alone))


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 70))
@settings(deadline=None, max_examples=40)
def test_fancy_pca_moves_by_the_exact_covariance(seed: int, height: int, width: int):
    """To the pixel: the formula on whole numbers, which are exact, and the one rounding at the end."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, rng.integers(1, 257), (height, width, 3), dtype=np.uint8)
    alphas = rng.normal(0, 1, 3)
    flat, means = pixels.reshape(-1, 3).astype(np.int64), pixels.reshape(-1, 3).mean(axis=0)
    values, vectors = np.linalg.eigh((flat.T @ flat / len(flat) - np.outer(means, means)) / 255**2)
    vectors *= np.copysign(1.0, vectors.sum(axis=0))
    expected = np.clip(np.rint(pixels + 255 * (vectors @ (alphas * values))), 0, 255)
    np.testing.assert_array_equal(operators.fancy_pca(pixels, alphas), expected)


def test_fancy_pca_leaves_an_image_of_one_colour():
    plain = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    np.testing.assert_array_equal(operators.fancy_pca(plain, np.ones(3)), plain)


@pytest.mark.parametrize("quality", [40, 75, 100])
def test_jpeg_is_opencvs_round_trip(image, quality, tmp_path):
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.imwrite(str(tmp_path / "a.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    expected = cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]
    np.testing.assert_array_equal(operators.jpeg(image, quality), expected)


@pytest.mark.parametrize(
    "operator",
    [
        operators.flip,
        lambda image: operators.rotate(image, 7),
        lambda image: operators.gaussian_blur(image, 5),
        lambda image: operators.brightness_contrast(image, 0.1, 0.1),
        lambda image: operators.hue_saturation(image, 9, 9, 9),
        lambda image: operators.fancy_pca(image, np.ones(3)),
        lambda image: operators.jpeg(image, 50),
        lambda image: operators.to_network_size(image, 32),
        lambda image: operators.normalise(image, (0.5,) * 3, (0.5,) * 3),
    ],
)
def test_operators_leave_their_input(image, operator):
    before = image.copy()
    operator(image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 80, 70), (2, 2, 16, 5)])
def test_images_are_normalised_together_as_one_by_one(shape):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    images = np.random.default_rng(9).integers(0, 256, (*shape, 3), dtype=np.uint8)
    together = operators.normalise(images, mean, std)
    factor, offset = operators.normalisation(mean, std)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, images.astype(np.float32) * factor - offset)
    np.testing.assert_allclose(together, (images / 255 - mean) / std, atol=1e-6)


@pytest.mark.parametrize("resolution", [32, SIZE, 100])
def test_another_size_is_resized_once_with_cubic_interpolation(image, resolution):
    resized = cv2.resize(image, (resolution, resolution), interpolation=cv2.INTER_CUBIC)
    assert operators.to_network_size(image, resolution).dtype == np.uint8
    np.testing.assert_array_equal(operators.to_network_size(image, resolution), resized)
    assert operators.to_network_size(resized, resolution) is resized


def test_network_landmark_lies_where_resizing_puts_its_pixel():
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    canvas[30:34, 10:14] = 255  # centre (11.5, 31.5)
    mask = operators.to_network_mask(canvas, SIZE * 2)[0]
    y, x = (np.average(np.arange(SIZE * 2), weights=mask.sum(axis=axis)) for axis in (1, 0))
    point = operators.to_network_landmark(np.array([[11.5, 31.5]], np.float32), SIZE, SIZE, SIZE * 2)
    np.testing.assert_allclose(point, [[x, y]], atol=1e-3)


def test_network_mask_is_in_zero_one():
    mask = operators.to_network_mask(dot(3, 3), SIZE)
    assert mask.shape == (1, SIZE, SIZE)
    assert (mask.min(), mask.max()) == (0, 1)
