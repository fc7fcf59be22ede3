"""Where the faces of a frame are: dlib's frontal detector, searched as DeepfakeBench does, or in less of the frame.

dlib's detector slides a window of 80 pixels over a pyramid that shrinks by 5/6 from level to level, so its cost is the
number of pixels it starts from. The search of DeepfakeBench starts from the frame enlarged twice. Mode `fast` begins
at a deeper level of the same pyramid: around the last face of the clip, then in the whole frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log
from typing import TYPE_CHECKING

import cv2
import numpy as np

from preprocessing.clips import Image

if TYPE_CHECKING:
    import dlib

PYRAMID_STEP = 5 / 6
SMALLEST_BOX = 72  # pixels: width of the boxes that the detector finds at the scale it starts from
CELL = 8  # pixels: the grid on which the detector puts boxes, at the scale it finds them
SHORT_SIDE = 480  # pixels, to which the whole frame is brought for the first search
MARGIN = 1.0  # of the last face's width, on each side of it
LEVELS_ABOVE = 1  # of the last face's own level, where the search around it begins
LEVELS_OF_A_DOUBLING = 4  # (6/5)^4 is about 2
CONFIDENT = 0.5  # dlib's confidence: a face at the edge of what a cheap search sees has less, and a box too large
SAME_PLACE = 1.0  # of the last face's width: how far its centre may have gone
SAME_SIZE = 1.6  # factor


@dataclass(frozen=True, slots=True)
class Box:
    """A detected face, in pixels of the frame; right and bottom belong to it, as in dlib.

    Attributes:
        left, top, right, bottom: its borders; they may lie outside the frame.
        score: dlib's confidence.
    """

    left: int
    top: int
    right: int
    bottom: int
    score: float

    @property
    def width(self) -> int:
        """Pixels."""
        return self.right - self.left + 1

    @property
    def area(self) -> int:
        """Pixels."""
        return self.width * (self.bottom - self.top + 1)

    @property
    def centre(self) -> complex:
        """As a complex number x + iy."""
        return complex(self.left + self.right, self.top + self.bottom) / 2

    def rectangle(self) -> "dlib.rectangle":
        """The box as dlib takes it."""
        import dlib

        return dlib.rectangle(self.left, self.top, self.right, self.bottom)


class FaceSearch:
    """dlib's frontal detector with the searches of both modes.

    Args:
        upsample: how often the frame is doubled in the exact search.
    """

    def __init__(self, upsample: int) -> None:
        import dlib

        self.upsample = upsample
        self._detector = dlib.get_frontal_face_detector()

    def exact(self, rgb: Image) -> list[Box]:
        """All faces that DeepfakeBench's search finds, most confident first.

        Args:
            rgb: (H, W, 3) uint8; the order of the channels hardly matters to the detector.
        """
        return self._run(rgb, self.upsample)

    def near(self, rgb: Image, last: Box) -> Box | None:
        """The face of the last frame, looked for where it was.

        Args:
            rgb: (H, W, 3) uint8 RGB.
            last: the face in an earlier frame of the clip.

        Returns:
            The face, or None if there is none for certain of about its size that has moved by less than its width.
        """
        # The window begins on the grid that the exact search has at the face's own level, so that boxes fall together.
        level = self._level_at(SMALLEST_BOX / last.width)
        margin, cell = MARGIN * last.width, CELL / level
        left, top = (max(0, round(cell * floor((side - margin) / cell))) for side in (last.left, last.top))
        window = rgb[top : max(0, round(last.bottom + margin)), left : max(0, round(last.right + margin))]
        if not window.size:
            return None
        scale = min(level / PYRAMID_STEP**LEVELS_ABOVE, 2.0**self.upsample)
        found = same_face(self._run_scaled(window, scale, left, top), last)
        return found if found and found.score >= CONFIDENT else None

    def at_least(self, image: Image, width: float) -> list[Box]:
        """Faces of an image that are at least so wide, most confident first.

        Args:
            image: (H, W, 3) uint8.
            width: of the smallest box that is looked for, in pixels.
        """
        return self._run_scaled(image, self._level_at(SMALLEST_BOX / width))

    def every(self, rgb: Image, *, fast: bool) -> list[Box]:
        """All faces of a frame, most confident first.

        Args:
            rgb: (H, W, 3) uint8 RGB.
            fast: look for faces that are smaller than the detector's window only where there is no larger one.
        """
        boxes = self.at_least(rgb, SMALLEST_BOX) if fast else []
        return boxes or self.exact(rgb)

    def cascade(self, rgb: Image) -> Iterator[list[Box]]:
        """What searches of the whole frame find, from cheap to exact: those where the largest face is certain."""
        scale = self._level_at(SHORT_SIDE / min(rgb.shape[:2]))
        for level in (scale, scale / PYRAMID_STEP**LEVELS_OF_A_DOUBLING):
            if level < 2**self.upsample:
                boxes = self._run_scaled(rgb, level)
                if boxes and largest(boxes).score >= CONFIDENT:
                    yield boxes
        if boxes := self.exact(rgb):
            yield boxes

    def _level_at(self, scale: float) -> float:
        """The scale of the exact search's pyramid that is nearest to `scale`: boxes then snap to the same sizes."""
        enlarged = 2.0**self.upsample
        return enlarged * PYRAMID_STEP ** max(0, round(log(scale / enlarged, PYRAMID_STEP)))

    def _run_scaled(self, rgb: Image, scale: float, left: int = 0, top: int = 0) -> list[Box]:
        """Faces of an image searched at another size, in pixels of the frame that it was cut from at (left, top)."""
        if min(rgb.shape[:2]) * scale < 1:
            return []
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled: Image = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=flags)
        return [
            Box(
                left + round(box.left / scale),
                top + round(box.top / scale),
                left + round(box.right / scale),
                top + round(box.bottom / scale),
                box.score,
            )
            for box in self._run(scaled, 0)
        ]

    def _run(self, rgb: Image, upsample: int) -> list[Box]:
        boxes, scores, _ = self._detector.run(rgb, upsample, 0.0)
        return [
            Box(box.left(), box.top(), box.right(), box.bottom(), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]


def same_face(boxes: list[Box], last: Box) -> Box | None:
    """The box that continues `last`: the nearest of about its size, or None."""
    alike = [
        box
        for box in boxes
        if abs(box.centre - last.centre) < SAME_PLACE * last.width
        and 1 / SAME_SIZE < box.width / last.width < SAME_SIZE
    ]
    return min(alike, key=lambda box: abs(box.centre - last.centre), default=None)


def largest(boxes: list[Box]) -> Box:
    """The box of the largest area; of equal ones the most confident."""
    return max(boxes, key=lambda box: box.area)


def manipulated(box: Box, mask: Image) -> int:
    """How many manipulated pixels, those above 1 in a mask (H, W), a box covers."""
    inside = mask[max(0, box.top) : max(0, box.bottom + 1), max(0, box.left) : max(0, box.right + 1)]
    return int(np.count_nonzero(inside > 1))


def in_order(boxes: list[Box], mask: Image | None = None, last: Box | None = None) -> list[Box]:
    """The faces of a frame by size, largest first; ahead of them the one that the frame is about.

    That is the one whose box covers most manipulated pixels, so that of several people the forged one is taken; where
    no box covers any, the one that continues `last`.

    Args:
        boxes: faces of a frame.
        mask: (H, W) uint8, above 1 where the frame was manipulated, or None.
        last: where the face was in the frame before.
    """
    by_size = sorted(boxes, key=lambda box: -box.area)
    covered = {box: 0 if mask is None else manipulated(box, mask) for box in by_size}
    first = max(by_size, key=covered.__getitem__, default=None)
    if first and not covered[first]:
        first = same_face(by_size, last) if last else None
    return [first, *(box for box in by_size if box != first)] if first else by_size
