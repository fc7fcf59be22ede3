"""From a frame to loose crops of its faces, profile `sbi`: not aligned, with landmarks and boxes.

What a network sees is cut out of them when they are read (preprocessing.margins).
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from config.schema import Profile
from preprocessing.boxes import find_detector, load_boxes, match
from preprocessing.clips import Image
from preprocessing.faces import Face, FaceCropper, Skip, binary
from preprocessing.landmarks import Predictor, load_predictor, predict
from preprocessing.margins import landmark_box, loose_window, moved, overlaps
from preprocessing.search import Box, FaceSearch, in_order

Landmarks = npt.NDArray[np.int64]

# dlib's boxes are squares that leave the forehead out; YuNet's and RetinaFace's reach from chin to hairline.
SQUARE_SIDE = 0.9  # of the root of the box's area
SQUARE_DOWN = 0.08  # of the box's height


class LooseCropper:
    """Finds the faces of a frame and cuts them out far around. Holds its models: make one per process.

    With a detector's file that detector says what a face is. Landmarks are then those that dlib's own search gave for
    the same face, or, where it found none, those that the predictor finds in a square made of the detector's box.

    Args:
        profile: the detector's file, mode and upsampling of dlib's search, and which faces are kept.
        predictor: the 81-point landmark model.

    Raises:
        InputError: the detector's file cannot be used.
    """

    def __init__(self, profile: Profile, predictor: Predictor) -> None:
        self.profile = profile
        self._search = FaceSearch(profile.upsample)
        self._predictor = load_predictor(predictor)
        file = find_detector(profile)
        self._detector = load_boxes(file) if file else None

    def faces(self, frame: Image, mask: Image | None = None, last: Box | None = None) -> list[Face] | Skip:
        """The faces of a frame, the largest first, but ahead of it the one that a mask marks (search.in_order).

        Args:
            frame: (H, W, 3) uint8 BGR.
            mask: (H, W) uint8, above 1 where the frame was manipulated, or None.
            last: where the face was in the frame before of the same clip; heeded where only one face is kept.

        Returns:
            All of them, or the first alone if the profile keeps one; or why there is none.
        """
        faces = (_cut(frame, mask, box, landmarks, by) for box, landmarks, by in self._found(frame))
        found = {face.box: face for face in faces if face}
        is_one = self.profile.faces == "largest"
        ordered = [found[box] for box in in_order(list(found), mask, last if is_one else None)]
        return (ordered[:1] if is_one else ordered) or Skip.NO_FACE

    def _found(self, frame: Image) -> Iterator[tuple[Box, Landmarks, str]]:
        """Boxes, the landmarks of each, and whose box these were looked for in."""
        rgb: Image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        seen = self._search.every(rgb, fast=self.profile.mode == "fast")
        landmarks = [predict(self._predictor, rgb, box.rectangle()) for box in seen]
        if self._detector is None:
            yield from ((box, points, "dlib") for box, points in zip(seen, landmarks, strict=True))
            return
        boxes = self._detector(frame)
        same = match(boxes, [landmark_box(points) for points in landmarks])
        for number, box in enumerate(boxes):
            if number in same:
                yield box, landmarks[same[number]], "dlib"
            else:
                yield box, predict(self._predictor, rgb, square(box).rectangle()), "detector"


def square(box: Box) -> Box:
    """About the box that dlib's detector, on whose boxes predictors are trained, would put around the same face."""
    height = box.bottom - box.top + 1
    half = SQUARE_SIDE * box.area**0.5 / 2
    middle = box.centre + SQUARE_DOWN * height * 1j
    left, top = round(middle.real - half), round(middle.imag - half)
    return Box(left, top, round(middle.real + half), round(middle.imag + half), box.score)


def make_cropper(profile: Profile, predictor: Predictor) -> FaceCropper | LooseCropper:
    """The cropper that a profile asks for.

    Raises:
        InputError: as for LooseCropper.
    """
    return LooseCropper(profile, predictor) if profile.crop == "loose" else FaceCropper(profile, predictor)


def _cut(frame: Image, mask: Image | None, box: Box, landmarks: Landmarks, placed_by: str) -> Face | None:
    """A face cut out; None where landmarks went astray, so that the crop does not hold it."""
    cut = loose_window(landmarks, *frame.shape[:2])
    crop, box_in_crop = frame[cut].copy(), moved(box, cut)
    if not overlaps(box_in_crop, *crop.shape[:2]):
        return None
    inside = None if mask is None else binary(mask[cut])
    x, y = cut[1].start, cut[0].start
    matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]])
    return Face(crop, landmarks - (x, y), inside, box, matrix, box_in_crop, placed_by)
