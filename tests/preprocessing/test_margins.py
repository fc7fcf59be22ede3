"""What is cut out around a face: closed forms of the windows, and that everything of a sample moves along."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from preprocessing.margins import landmark_box, loose_window, moved, overlaps, tight_crop, window
from preprocessing.samples import Sample
from preprocessing.search import Box

BOX = Box(100, 200, 199, 399, 1.0)  # 100 x 200 pixels
SIDES = st.integers(0, 300)


def landmarks(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """81 points whose first 68 fill a box and whose forehead lies far above."""
    points = np.full((81, 2), (left, top))
    points[1] = right, bottom
    points[68:] = left - 500, top - 500
    return points


def test_a_loose_crop_is_half_a_width_a_height_and_two_fifths_larger():
    rows, columns = loose_window(landmarks(300, 400, 399, 599), 2000, 2000)
    assert (columns.start, columns.stop) == (300 - 50, 399 + 50 + 1)
    assert (rows.start, rows.stop) == (400 - 200, 599 + 80 + 1)


def test_a_crop_ends_where_the_frame_does():
    assert loose_window(landmarks(10, 20, 109, 219), 250, 130) == (slice(0, 250), slice(0, 130))


def test_an_eighth_on_each_side_is_what_sbi_tests_with():
    margin = load_config(DetectorConfig, "efficientnetb4").margins.test
    rows, columns = window(BOX, [margin] * 4, 1000, 1000)
    assert (columns.start, columns.stop) == (87, 212)  # 100 - 12.5 and 199 + 12.5, and the pixel that this falls in
    assert (rows.start, rows.stop) == (175, 425)


def test_margins_are_those_of_their_sides():
    rows, columns = window(BOX, [0.1, 0.2, 0.3, 0.4], 1000, 1000)
    assert (columns.start, columns.stop) == (90, 230)
    assert (rows.start, rows.stop) == (160, 480)


@given(left=SIDES, top=SIDES, size=st.tuples(st.integers(1, 99), st.integers(1, 99)), margin=st.floats(0, 1))
def test_a_tight_crop_moves_landmarks_and_mask_with_the_pixels(left, top, size, margin):
    image = np.arange(400 * 420 * 3).reshape(400, 420, 3)
    points = np.array([[left, top], [left + size[0] - 1, top + size[1] - 1]], np.float32)
    box = Box(left, top, left + size[0] - 1, top + size[1] - 1, 1.0)
    tight = tight_crop(Sample(image, points, image[..., 0], box), [margin] * 4)
    assert tight.box is None
    assert tight.image.shape[0] >= size[1]
    assert tight.image.shape[1] >= size[0]
    np.testing.assert_array_equal(tight.mask, tight.image[..., 0])
    for (x, y), (new_x, new_y) in zip(points.astype(int), tight.landmark.astype(int), strict=True):
        np.testing.assert_array_equal(tight.image[new_y, new_x], image[y, x])


def test_a_face_without_a_box_has_no_tight_crop():
    with pytest.raises(InputError, match="box"):
        tight_crop(Sample(np.zeros((9, 9, 3), np.uint8)), [0.1] * 4)


def test_a_box_moves_with_what_is_cut_out():
    assert moved(BOX, (slice(150, 500), slice(90, 300))) == Box(10, 50, 109, 249, 1.0)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (Box(0, 0, 0, 0, 1.0), True),
        (Box(-5, -5, 0, 0, 1.0), True),
        (Box(19, 9, 30, 30, 1.0), True),
        (Box(20, 0, 30, 5, 1.0), False),
        (Box(0, 10, 5, 30, 1.0), False),
        (Box(-9, 0, -1, 5, 1.0), False),
        (Box(8, 0, 7, 5, 1.0), False),
    ],
)
def test_a_box_overlaps_an_image_of_10_by_20(box: Box, inside: bool):
    assert overlaps(box, 10, 20) is inside


def test_the_box_around_landmarks_leaves_the_forehead_out():
    assert landmark_box(landmarks(3, 4, 50, 60)) == Box(3, 4, 50, 60, 1.0)
