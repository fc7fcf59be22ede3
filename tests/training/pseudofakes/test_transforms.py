import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing import operators
from tests.faces import still
from training.pseudofakes.transforms import Photometric, SourceTransform, apply, draw_final

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
    expected = operators.jpeg(expected, 60)
    changes = Photometric((20, -5, 3.5), (-1, 0, -1), (0.1, -0.1), 4, (0.4, 0.6), 60)
    np.testing.assert_array_equal(apply(face, changes), expected)


def test_the_source_transform_draws_self_blendings_ranges():
    changes = draws(SourceTransform().draw)
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
    shifts = np.array([change.hsv for change in draws(SourceTransform().draw)])
    assert set(np.unique(shifts)) == {-1, 0}
    assert shifts.mean(axis=0) == pytest.approx([-0.5] * 3, abs=TOLERANCE)


def test_the_final_transform_draws_self_blendings_ranges():
    changes = draws(draw_final)
    for step in ("rgb", "hsv", "light"):
        assert share(changes, step) == pytest.approx(0.3, abs=TOLERANCE)
    assert share(changes, "quality") == pytest.approx(0.5, abs=TOLERANCE)
    assert share(changes, "downscale") == share(changes, "sharpen") == 0
    assert_fills([change.light for change in changes if change.light], [-0.3] * 2, [0.3] * 2)
    assert {change.quality for change in changes if change.quality} == set(range(40, 101))


@pytest.mark.parametrize(
    ("switches", "present"),
    [
        ({"colour": False}, {"downscale", "sharpen"}),
        ({"frequency": False}, {"rgb", "hsv", "light"}),
        ({"colour": False, "frequency": False}, set()),
    ],
)
def test_colour_and_frequency_switch_off(switches, present):
    changes = draws(SourceTransform(**switches).draw)[:200]
    drawn = {step for step in Photometric.__slots__ if share(changes, step) > 0}
    assert drawn == present


@pytest.mark.parametrize(("applied_to", "changed"), [("source", {(True, False)}), ("target", {(False, True)})])
def test_one_side_alone_is_changed(face, applied_to, changed):
    assert sides(face, applied_to, 20) == changed


def test_both_sides_are_changed_each_in_its_own_way(face):
    assert sides(face, "both", 20) == {(True, True)}
    source, target = SourceTransform(applied_to="both")(face, face, np.random.default_rng(0))
    assert (source != target).any()


def test_either_side_is_changed_half_of_the_time(face):
    small, transform = face[:8, :8], SourceTransform()
    on_source = [transform(small, small, np.random.default_rng(seed))[1] is small for seed in range(DRAWS)]
    assert sides(face, "either", 40) == {(True, False), (False, True)}
    assert np.mean(on_source) == pytest.approx(0.5, abs=TOLERANCE)


def sides(face: np.ndarray, applied_to: str, count: int) -> set[tuple[bool, bool]]:
    """Which of source and target differ from the face, over some draws."""
    transform = SourceTransform(applied_to=applied_to)
    pairs = [transform(face, face, np.random.default_rng(seed)) for seed in range(count)]
    return {((source != face).any(), (target != face).any()) for source, target in pairs}


@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_a_seed_gives_its_pixels_and_leaves_the_input_alone(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()

    def transformed() -> np.ndarray:
        rng = np.random.default_rng([seed, 1])
        pair = SourceTransform(applied_to="both")(image, image, rng)
        final = draw_final(rng)
        return np.stack([apply(side, final) for side in pair])

    first = transformed()
    assert first.dtype == np.uint8
    assert first.shape == (2, height, width, 3)
    np.testing.assert_array_equal(first, transformed())
    np.testing.assert_array_equal(image, before)
