"""What is cut out around a face: the loose crop that is stored, and the tight one that a network sees.

SBI's geometry. A loose crop is laid around the landmarks, a tight one around the box of a face detector, and both end
where the image does. A window is the pair of slices that cuts it out of an image, rows first.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from config.errors import InputError
from preprocessing.search import Box

if TYPE_CHECKING:
    from preprocessing.samples import Sample

Window = tuple[slice, slice]

INNER_POINTS = 68  # of the 81: the forehead, which few of the predictors see well, does not count
LOOSE_SIDES, LOOSE_TOP, LOOSE_BOTTOM = 0.5, 1.0, 0.4  # of the landmarks' width, and twice of their height


def landmark_box(landmarks: npt.NDArray[np.integer]) -> Box:
    """The smallest box around the landmarks (81, 2) without the forehead's."""
    inner = landmarks[:INNER_POINTS]
    (left, top), (right, bottom) = inner.min(axis=0).tolist(), inner.max(axis=0).tolist()
    return Box(left, top, right, bottom, 1.0)


def loose_window(landmarks: npt.NDArray[np.integer], height: int, width: int) -> Window:
    """The loose crop of a face in a frame: half the width at the sides, the height above, 0.4 of it below.

    Args:
        landmarks: (81, 2) x and y in pixels of the frame.
        height: of the frame in pixels.
        width: of the frame in pixels.
    """
    return window(landmark_box(landmarks), (LOOSE_SIDES, LOOSE_TOP, LOOSE_SIDES, LOOSE_BOTTOM), height, width)


def window(box: Box, margins: Sequence[float], height: int, width: int) -> Window:
    """A box with margins around it, as far as it lies in an image.

    Args:
        box: in pixels of the image.
        margins: left, top, right, bottom, as shares of the box's width and height.
        height: of the image in pixels.
        width: of the image in pixels.
    """
    left, top, right, bottom = margins
    rows, columns = box.bottom - box.top + 1, box.width
    return (
        slice(max(0, int(box.top - top * rows)), max(0, min(height, int(box.bottom + bottom * rows) + 1))),
        slice(max(0, int(box.left - left * columns)), max(0, min(width, int(box.right + right * columns) + 1))),
    )


def overlaps(box: Box, height: int, width: int) -> bool:
    """Whether any of a box lies in an image of this size."""
    return max(0, box.left) <= min(box.right, width - 1) and max(0, box.top) <= min(box.bottom, height - 1)


def tight_crop(sample: "Sample", margins: Sequence[float]) -> "Sample":
    """What a network sees of a loose crop: the box and margins around it, with landmarks and mask.

    Args:
        sample: a face with its box.
        margins: as for `window`.

    Raises:
        InputError: there is no box.
    """
    if sample.box is None:
        raise InputError("a tight crop needs a face's box, which this stored face does not have")
    rows, columns = cut = window(sample.box, margins, *sample.image.shape[:2])
    offset = np.array([columns.start, rows.start], np.float32)
    return replace(
        sample,
        image=sample.image[cut],
        landmark=None if sample.landmark is None else sample.landmark - offset,
        mask=None if sample.mask is None else sample.mask[cut],
        box=None,
    )


def mirrored(box: Box, width: int) -> Box:
    """A box in the mirror image of an image of some width."""
    return replace(box, left=width - 1 - box.right, right=width - 1 - box.left)


def moved(box: Box, cut: Window) -> Box:
    """A box of an image in pixels of what a window cuts out of it."""
    x, y = cut[1].start, cut[0].start
    return replace(box, left=box.left - x, top=box.top - y, right=box.right - x, bottom=box.bottom - y)
