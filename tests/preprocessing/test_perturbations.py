"""Perturbations of images that a hand can work out, against numbers that do not come from the code."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import validate
from preprocessing.perturbations import PERTURBATION, ClipPerturbation

SIDE = 256
VALUES = SIDE * SIDE * 3


def grey(level: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def perturb(name: str, image: np.ndarray, seed: int = 0, **parameters) -> np.ndarray:
    before = image.copy()
    made = validate(PERTURBATION[name], parameters, name).apply(image, np.random.default_rng(seed))
    np.testing.assert_array_equal(image, before)  # never changed in place
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    return made


def row(*levels: int) -> np.ndarray:
    """An image of 8 rows with these levels from left to right."""
    return np.tile(np.array(levels, np.uint8)[None, :, None], (8, 1, 3))


def black_cells(image: np.ndarray, grid: int) -> list[tuple[int, int]]:
    """The cells of a grid that are black; all else has to be white."""
    height, width = image.shape[:2]
    edges = [[index * side // grid for index in range(grid + 1)] for side in (height, width)]
    found = []
    for i, (top, bottom) in enumerate(zip(edges[0], edges[0][1:], strict=False)):
        for j, (left, right) in enumerate(zip(edges[1], edges[1][1:], strict=False)):
            values = set(np.unique(image[top:bottom, left:right]))
            assert values in ({0}, {255})
            found += [(i, j)] if values == {0} else []
    return found


@pytest.mark.parametrize(("height", "width"), [(256, 256), (61, 70)])
def test_blocks_are_whole_cells_and_the_rest_stays(height, width):
    image = np.random.default_rng(3).integers(1, 256, (height, width, 3), dtype=np.uint8)
    made = perturb("block_wise", image, ratio=0.25, grid=4)
    masked = np.where((made == 0).all(axis=2), 0, 255).astype(np.uint8)
    assert len(black_cells(masked, 4)) == 4
    np.testing.assert_array_equal(made[masked > 0], image[masked > 0])


def test_a_share_of_cells_that_is_no_whole_number_is_kept_in_the_mean():
    drawn = [black_cells(perturb("block_wise", grey(255, 32, 32), seed, ratio=0.1, grid=4), 4) for seed in range(400)]
    counts = np.array([len(cells) for cells in drawn])
    assert set(counts) == {1, 2}
    assert abs(counts.mean() - 1.6) < 4 * math.sqrt(0.6 * 0.4 / 400)
    of_cell = np.unique([4 * i + j for cells in drawn for i, j in cells], return_counts=True)[1]
    assert len(of_cell) == 16
    assert (np.abs(of_cell - 40) < 4 * math.sqrt(40)).all()


@pytest.mark.parametrize(("ratio", "level"), [(0, 200), (1, 0)])
def test_no_block_and_all_blocks(ratio, level):
    np.testing.assert_array_equal(perturb("block_wise", grey(200), ratio=ratio, grid=4), grey(level))


@pytest.mark.parametrize("variance", [0.5, 10, 50, 400])
def test_noise_has_its_variance_and_no_bias(variance):
    noise = perturb("gaussian_noise", grey(128), variance=variance).astype(float) - 128
    rounded = variance + 1 / 12
    tolerance = 5 * rounded * math.sqrt(2 / VALUES) + (0.02 if variance < 1 else 0)  # rounding of a narrow bell
    assert abs(noise.var() - rounded) < tolerance
    assert abs(noise.mean()) < 5 * math.sqrt(rounded / VALUES)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        together = np.corrcoef(noise[..., first].ravel(), noise[..., second].ravel())[0, 1]
        assert abs(together) < 5 / math.sqrt(VALUES / 3)


def test_noise_is_normally_distributed():
    noise = perturb("gaussian_noise", grey(128), variance=36).astype(int) - 128

    def below(level: float) -> float:
        return 0.5 * (1 + math.erf(level / 6 / math.sqrt(2)))

    for level in range(-20, 21):
        expected = below(level + 0.5) - below(level - 0.5)
        assert abs((noise == level).mean() - expected) < 5 * math.sqrt(expected / VALUES)


def test_noise_is_clipped_and_not_wrapped():
    assert perturb("gaussian_noise", grey(0), variance=100).max() < 100
    assert perturb("gaussian_noise", grey(255), variance=100).min() > 155


def test_a_range_of_variances_is_drawn_from_for_each_image():
    made = [perturb("gaussian_noise", grey(128, 64, 64), seed, variance=[10, 50]) for seed in range(200)]
    variances = np.array([image.astype(float).var() for image in made])
    assert variances.min() > 9
    assert variances.max() < 54
    assert abs(variances.mean() - 30) < 5 * 40 / math.sqrt(12 * 200)
    assert variances.std() == pytest.approx(40 / math.sqrt(12), rel=0.15)


def test_a_shifted_dot_is_where_it_was_sent_and_black_comes_in():
    image = grey(90, 31, 40)
    image[15, 20] = 255
    places = []
    for seed in range(200):
        made = perturb("shift", image, seed, pixels=[-2, 3])
        (y, x), *others = np.argwhere(made[..., 0] == 255)
        assert not others
        down, right = int(y) - 15, int(x) - 20
        places.append((down, right))
        black = np.zeros((31, 40), bool)
        black[: max(down, 0)] = True
        black[:, : max(right, 0)] = True
        black[31 + min(down, 0) :] = True
        black[:, 40 + min(right, 0) :] = True
        np.testing.assert_array_equal((made == 0).all(axis=2), black)
    assert set(places) == {(y, x) for y in range(-2, 4) for x in range(-2, 4)}  # each way by itself


@given(st.integers(-12, 12))
def test_what_is_shifted_out_of_the_image_leaves_it_black(pixels):
    made = perturb("shift", grey(50, 8, 8), pixels=[pixels, pixels])
    assert (made > 0).sum() == 3 * max(8 - abs(pixels), 0) ** 2


def test_contrast_is_about_the_mean_luma():
    np.testing.assert_array_equal(perturb("contrast", row(0, 0, 200, 200), factor=0.5), row(50, 50, 150, 150))
    np.testing.assert_array_equal(perturb("contrast", row(40, 60), factor=10), row(0, 150))
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_array_equal(perturb("contrast", red, factor=0), grey(76, 4, 4))  # 0.299 * 255 = 76.2


@pytest.mark.parametrize(
    ("factor", "expected"),
    # The luma is 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
    [(0, (124, 124, 124)), (0.5, (162, 112, 87)), (1, (200, 100, 50)), (2, (255, 76, 0))],
)
def test_saturation_is_about_the_pixels_luma(factor, expected):
    image = np.tile(np.array([200, 100, 50], np.uint8), (4, 4, 1))
    image[0] = 77
    made = perturb("saturation", image, factor=factor)
    np.testing.assert_array_equal(made[1:], np.tile(np.array(expected, np.uint8), (3, 4, 1)))
    np.testing.assert_array_equal(made[0], image[0])  # grey has no saturation


def test_a_resized_step_is_that_of_linear_interpolation():
    # To 4 columns, halfway between each two: 0 0 240 240. Back, the new columns lie at -0.25, 0.25, 0.75, 1.25, ...
    made = perturb("resize", row(0, 0, 0, 0, 240, 240, 240, 240), size=4)
    np.testing.assert_array_equal(made, row(0, 0, 0, 60, 180, 240, 240, 240))
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(perturb("resize", image, size=8), image)


def test_blur_spreads_a_dot_by_its_kernel():
    image = grey(0, 41, 41)
    image[20, 20] = 255
    made = perturb("gaussian_blur", image, size=13)[..., 0]
    deviation = 0.3 * ((13 - 1) / 2 - 1) + 0.8
    weights = np.exp(-(np.arange(-6, 7) ** 2) / (2 * deviation**2))
    expected = 255 * np.outer(weights, weights) / weights.sum() ** 2
    np.testing.assert_allclose(made[14:27, 14:27], expected, atol=0.6)
    assert made.sum() == made[14:27, 14:27].sum()


def test_what_draws_says_so_and_nothing_else_draws():
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    parameters = {
        "block_wise": {"ratio": 0.2, "grid": 4},
        "contrast": {"factor": 0.5},
        "gaussian_blur": {"size": 3},
        "gaussian_noise": {"variance": 20},
        "h264": {"crf": 40},
        "jpeg": {"quality": 30},
        "resize": {"size": 32},
        "saturation": {"factor": 0.3},
        "shift": {"pixels": [-9, 9]},
    }
    for name in PERTURBATION.names():
        made = [perturb(name, image, seed, **parameters[name]) for seed in (0, 0, 1)]
        np.testing.assert_array_equal(made[0], made[1])
        assert (made[0] != image).any()
        assert (made[0] != made[2]).any() == PERTURBATION[name].is_random
        assert issubclass(PERTURBATION[name], ClipPerturbation) == (name == "h264")


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("block_wise", {"ratio": 1.1, "grid": 4}, "ratio"),
        ("block_wise", {"ratio": 0.1, "grid": 0}, "grid"),
        ("gaussian_noise", {"variance": -1}, "variance"),
        ("gaussian_noise", {"variance": [50, 10]}, "lower bound 50.0 is above"),
        ("gaussian_noise", {"variance": "much"}, "variance"),
        ("shift", {"pixels": [3, -3]}, "lower bound 3 is above"),
        ("shift", {"pixels": 3}, "pixels"),
        ("gaussian_blur", {"size": 4}, "odd number of pixels, not 4"),
        ("contrast", {"factor": -0.1}, "factor"),
        ("contrast", {"factr": 1}, "did you mean 'factor'"),
        ("saturation", {}, "factor: field required"),
        ("resize", {"size": 0}, "size"),
        ("jpeg", {"quality": 101}, "quality"),
        ("h264", {"crf": 52}, "crf"),
    ],
)
def test_parameters_out_of_range_are_refused(name, parameters, said):
    with pytest.raises(InputError, match=said) as refused:
        validate(PERTURBATION[name], parameters, f"mine.yaml: {name}, level 1")
    assert "mine.yaml: " in str(refused.value)
    assert "\n" not in str(refused.value)
