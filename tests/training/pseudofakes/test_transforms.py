from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.pseudofake import Changes, Final
from preprocessing import operators
from tests.faces import still
from training.pseudofakes.transforms import (
    Photometric,
    apply,
    change_one_or_both,
    cut_hole,
    draw_changes,
    draw_final,
    lose_resolution,
)

DRAWS = 2000
TOLERANCE = 4 * np.sqrt(0.25 / DRAWS)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return cv2.cvtColor(cv2.resize(still(), (96, 96), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)


def draws(draw) -> list[Photometric]:
    return [draw(np.random.default_rng(seed)) for seed in range(DRAWS)]


def share(changes: list[Photometric], step: str) -> float:
    return np.mean([getattr(change, step) is not None for change in changes])


def assert_fills(values: list, low, high):
    """All values lie between low and high, and come near to both."""
    values, low, high = np.array(values), np.array(low), np.array(high)
    near = 0.03 * (high - low)
    assert (values >= low).all()
    assert (values <= high).all()
    assert (values.min(axis=0) <= low + near).all()
    assert (values.max(axis=0) >= high - near).all()


@pytest.mark.parametrize(
    "nothing",
    [
        Photometric(),
        Photometric(rgb=(0, 0, 0), light=(0, 0)),
        Photometric(downscale=1),
        Photometric(sharpen=(0, 0.5)),
    ],
)
def test_nothing_drawn_changes_nothing(face, nothing):
    np.testing.assert_array_equal(apply(face, nothing), face)


def test_steps_come_in_their_order(face):
    expected = operators.rgb_shift(face, 20, -5, 3.5)
    expected = operators.hue_saturation(expected, -1, 0, -1)
    expected = operators.brightness_contrast(expected, 0.1, -0.1)
    expected = operators.sharpen(operators.downscale(expected, 4), 0.4, 0.6)
    expected = operators.jpeg(operators.median_blur(expected, 5), 60)
    changes = Photometric((20, -5, 3.5), (-1, 0, -1), (0.1, -0.1), 4, (0.4, 0.6), median=5, quality=60)
    np.testing.assert_array_equal(apply(face, changes), expected)


def test_the_source_transform_draws_self_blendings_ranges():
    changes = draws(lambda rng: draw_changes(Changes(), rng))
    assert share(changes, "rgb") == pytest.approx(0.3, abs=TOLERANCE)
    assert share(changes, "hsv") == share(changes, "light") == 1
    assert share(changes, "downscale") == pytest.approx(0.5, abs=TOLERANCE)
    assert all((change.downscale is None) != (change.sharpen is None) for change in changes)
    assert share(changes, "quality") == 0
    assert_fills([change.rgb for change in changes if change.rgb], [-20] * 3, [20] * 3)
    assert_fills([change.light for change in changes], [-0.1] * 2, [0.1] * 2)
    assert_fills([change.sharpen for change in changes if change.sharpen], (0.2, 0.5), (0.5, 1.0))
    factors = [change.downscale for change in changes if change.downscale]
    assert set(factors) == {2, 4}
    assert np.mean(np.array(factors) == 2) == pytest.approx(0.5, abs=2 * TOLERANCE)


def test_a_hue_saturation_and_value_shift_is_what_cutting_leaves_of_it():
    """A level shifted by -0.3 to 0.3 and cut to a whole one is one lower or the same."""
    shifts = np.array([change.hsv for change in draws(lambda rng: draw_changes(Changes(), rng))])
    assert set(np.unique(shifts)) == {-1, 0}
    assert shifts.mean(axis=0) == pytest.approx([-0.5] * 3, abs=TOLERANCE)


def test_the_final_transform_draws_self_blendings_ranges():
    changes = draws(lambda rng: draw_final(Final(), rng))
    for step in ("rgb", "hsv", "light"):
        assert share(changes, step) == pytest.approx(0.3, abs=TOLERANCE)
    assert share(changes, "quality") == pytest.approx(0.5, abs=TOLERANCE)
    assert share(changes, "downscale") == share(changes, "sharpen") == 0
    assert_fills([change.light for change in changes if change.light], [-0.3] * 2, [0.3] * 2)
    assert {change.quality for change in changes if change.quality} == set(range(40, 101))


def test_prodets_changes_are_a_turn_and_a_median_blur_as_often_as_asked_for():
    changes = draws(lambda rng: draw_final(Final(rotate=0.5, median=0.25), rng))
    assert share(changes, "turn") == pytest.approx(0.5, abs=TOLERANCE)
    assert share(changes, "median") == pytest.approx(0.25, abs=TOLERANCE)
    assert_fills([change.turn for change in changes if change.turn], -10, 10)
    sizes = [change.median for change in changes if change.median]
    assert [sizes.count(size) / len(sizes) for size in (3, 5, 7)] == pytest.approx([1 / 3] * 3, abs=4 * TOLERANCE)


def test_where_they_are_off_they_draw_nothing_and_where_they_are_on_the_others_stay():
    for seed in range(50):
        rng, bare = np.random.default_rng(seed), np.random.default_rng(seed)
        draw_final(Final(rgb=0, hsv=0, light=0, jpeg=0), rng)
        bare.random(6)  # one for each of the other steps
        assert rng.random() == bare.random()
        without, with_both = (
            draw_final(Final(noise=0.5, cutout=0.5, rotate=on, median=on), np.random.default_rng(seed)) for on in (0, 1)
        )
        assert without == replace(with_both, turn=None, median=None)
        assert with_both.turn is not None
        assert with_both.median is not None


@pytest.mark.parametrize(
    ("switches", "present"),
    [
        ({"colour": False}, {"downscale", "sharpen"}),
        ({"frequency": False}, {"rgb", "hsv", "light"}),
        ({"colour": False, "frequency": False}, set()),
    ],
)
def test_colour_and_frequency_switch_off(switches, present):
    changes = draws(lambda rng: draw_changes(Changes(**switches), rng))[:200]
    drawn = {step for step in Photometric.__slots__ if share(changes, step) > 0}
    assert drawn == present


@pytest.mark.parametrize(("applied_to", "changed"), [("source", {(True, False)}), ("target", {(False, True)})])
def test_one_side_alone_is_changed(face, applied_to, changed):
    assert sides(face, applied_to, 20) == changed


def test_both_sides_are_changed_each_in_its_own_way(face):
    assert sides(face, "both", 20) == {(True, True)}
    source, target = change_one_or_both(face, face, Changes(applied_to="both"), np.random.default_rng(0))
    assert (source != target).any()


def test_either_side_is_changed_half_of_the_time(face):
    small = face[:8, :8]
    pairs = (change_one_or_both(small, small, Changes(), np.random.default_rng(seed)) for seed in range(DRAWS))
    on_source = [target is small for _, target in pairs]
    assert sides(face, "either", 40) == {(True, False), (False, True)}
    assert np.mean(on_source) == pytest.approx(0.5, abs=TOLERANCE)


def sides(face: np.ndarray, applied_to: str, count: int) -> set[tuple[bool, bool]]:
    """Which of source and target differ from the face, over some draws."""
    changes = Changes(applied_to=applied_to)
    pairs = [change_one_or_both(face, face, changes, np.random.default_rng(seed)) for seed in range(count)]
    return {((source != face).any(), (target != face).any()) for source, target in pairs}


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_a_seed_gives_its_pixels_and_leaves_the_input_alone(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()

    def transformed() -> np.ndarray:
        rng = np.random.default_rng([seed, 1])
        pair = change_one_or_both(image, image, Changes(applied_to="both"), rng)
        final = draw_final(Final(noise=0.5, cutout=0.5), rng)
        return np.stack([cut_hole(apply(side, final), final) for side in pair])

    first = transformed()
    assert first.dtype == np.uint8
    assert first.shape == (2, height, width, 3)
    np.testing.assert_array_equal(first, transformed())
    np.testing.assert_array_equal(image, before)


def test_noise_has_its_deviation_and_is_the_same_for_two_images():
    grey = np.full((200, 200, 3), 128, np.uint8)
    changes = Photometric(noise=(0.02, 7))
    noise = apply(grey, changes).astype(int) - 128
    assert noise.std() == pytest.approx(0.02 * 255, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.1)
    np.testing.assert_array_equal(apply(grey + np.uint8(20), changes).astype(int) - 148, noise)


def test_a_hole_is_black_in_the_image_and_nothing_in_the_mask():
    image, mask = np.full((40, 80, 3), 200, np.uint8), np.full((40, 80), 0.5, np.float32)
    changes = Photometric(hole=(0.25, 0.5, 0.5, 0.625))
    for holed, kept in ((cut_hole(image, changes), 200), (cut_hole(mask, changes), 0.5)):
        assert (holed[10:20, 40:50] == 0).all()
        assert (holed == kept).sum() == holed.size - holed[10:20, 40:50].size
    assert (image == 200).all()
    assert cut_hole(mask, Photometric()) is mask


def test_holes_and_noise_keep_to_their_limits():
    changes = draws(lambda rng: draw_final(Final(noise=1, cutout=1), rng))
    assert_fills([change.noise[0] for change in changes], 0, 0.03)
    top, left, bottom, right = np.array([change.hole for change in changes]).T
    assert_fills((bottom - top).tolist(), 0, 0.25)
    assert_fills((right - left).tolist(), 0, 0.25)
    assert min(top.min(), left.min()) >= 0
    assert max(bottom.max(), right.max()) <= 1


def test_a_shrunk_face_loses_detail_and_keeps_its_place(face):
    blurred, smoothed = lose_resolution(face, 60, 15), lose_resolution(face, 60, 100)
    detail = [cv2.Laplacian(image, cv2.CV_64F).std() for image in (face, smoothed, blurred)]
    assert detail[0] > 2 * detail[1] > 4 * detail[2]
    np.testing.assert_array_equal(smoothed, operators.gaussian_blur(face, 5))
    assert np.abs(cv2.blur(face, (25, 25)).astype(int) - cv2.blur(blurred, (25, 25))).mean() < 3


@pytest.mark.parametrize("cycles", [0.05, 0.1, 0.15])
def test_a_shrunk_faces_gratings_fade_as_three_filters_say(cycles: float):
    """In shrunk pixels: the mean over one, the binomial kernel of 5, and the straight line between two."""
    scale, width = 4, 256
    x = np.arange(width)
    grating = 127.5 + 120 * np.cos(2 * np.pi * cycles / scale * x)
    image = np.broadcast_to(np.rint(grating)[None, :, None], (width, width, 3)).astype(np.uint8)
    kept = lose_resolution(image, 128, 128 / scale)[128, :, 0]
    middle = slice(88, 168)  # one, two or three periods, away from the border
    amplitude = 2 * np.abs(np.mean((kept - 127.5)[middle] * np.exp(2j * np.pi * cycles / scale * x[middle])))
    expected = np.sinc(cycles) * np.cos(np.pi * cycles) ** 4 * np.sinc(cycles) ** 2
    assert amplitude / 120 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_a_window_on_the_grid_changes_as_in_the_whole_image(face, seed):
    """But for hue, saturation and value: how OpenCV rounds these depends on the length of a row."""
    changes = replace(draw_changes(Changes(), np.random.default_rng(seed)), hsv=None)
    whole, part = apply(face, changes), apply(face[16:72, 20:64], changes)
    np.testing.assert_array_equal(part[8:-8, 8:-8], whole[24:64, 28:56])
