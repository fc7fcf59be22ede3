"""From a frame to an aligned face crop with 81 landmarks: DeepfakeBench's procedure and constants, profile `dfb`.

Source: DeepfakeBench's preprocess.py. Released weights expect these pixels, so the quirks stay: the mouth points are
one past the corners, the second detection sees a BGR image, and in mode `exact` it takes the first face it returns.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from config.schema import Profile
from preprocessing.clips import Image
from preprocessing.landmarks import Predictor, load_predictor, predict
from preprocessing.search import CONFIDENT, Box, FaceSearch, in_order, largest, manipulated, same_face

# Upper lid left, upper lid right, nose tip, and the points after the two mouth corners, in 81-point numbering.
ALIGNMENT_POINTS = (37, 44, 30, 49, 55)
# ArcFace's five points in a 112 x 112 image, shifted 8 to the right.
TEMPLATE_SIZE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# The smallest box that dlib's detector puts around an aligned face, as a share of the template.
ALIGNED_WIDTH = 0.66


class Skip(StrEnum):
    """Why a sampled frame, or a whole clip, has no face in the store."""

    NO_FACE = "no face"
    NO_FACE_IN_CROP = "no face in crop"
    UNREADABLE_FRAME = "unreadable frame"
    UNREADABLE_MEDIA = "unreadable media"


@dataclass(frozen=True, slots=True)
class Face:
    """A face that was cut out of a frame.

    Attributes:
        crop: (H, W, 3) uint8 BGR; both R of the profile if it is aligned.
        landmarks: (81, 2) int64, x and y in pixels of the crop.
        mask: (H, W) uint8, 0 or 255, or None.
        box: the face in the frame, with the detector's confidence.
        matrix: (2, 3), takes pixels of the frame to pixels of the crop.
        box_in_crop: the same in pixels of a loose crop; None for an aligned one.
        placed_by: whose box the landmarks were looked for in, "dlib"'s or the "detector"'s.
    """

    crop: Image
    landmarks: npt.NDArray[np.int64]
    mask: Image | None
    box: Box
    matrix: npt.NDArray[np.float64]
    box_in_crop: Box | None = None
    placed_by: str = "dlib"

    def cut_out(self, frame: Image) -> Image:
        """What another frame of the same size has where the crop was: of the face's own frame, the crop itself."""
        height, width = self.crop.shape[:2]
        return cv2.warpAffine(frame, self.matrix, (width, height))


def target_points(resolution: int, scale: float) -> npt.NDArray[np.float64]:
    """Where the five points come to lie in a crop of `resolution` pixels: (5, 2), x and y.

    The template keeps a margin of (scale - 1) / 2 of its size on each side.
    """
    margin = TEMPLATE_SIZE * (scale - 1) / 2
    return (TEMPLATE + margin) * resolution / (TEMPLATE_SIZE + 2 * margin)


def similarity_transform(source: npt.NDArray[Any], target: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The rotation, uniform scale and shift that take `source` closest to `target` in the least-squares sense.

    With points as complex numbers the similarity is z -> a z + b, and the best a has a closed form; without reflection
    this is Umeyama's estimate (PAMI 1991), which DeepfakeBench takes from scikit-image.

    Args:
        source: (N, 2) points, not all equal.
        target: (N, 2) points, where they should go.

    Returns:
        (2, 3) matrix for cv2.warpAffine.
    """
    z, w = source @ (1, 1j), target @ (1, 1j)
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


class FaceCropper:
    """Finds, aligns and crops the faces of a frame. Holds dlib's models: make one per process.

    Mode `exact` is DeepfakeBench's search: the largest face of the frame, found in the frame enlarged twice, and found
    again in the crop. Mode `fast` looks where the face of the clip was last, then in the frame at about 480 pixels, and
    goes up to the exact search where that finds nothing: it gives up on no frame that `exact` finds a face in.

    Args:
        profile: mode, resolution and scale of the crop, upsampling of the detector.
        predictor: the 81-point landmark model.
    """

    def __init__(self, profile: Profile, predictor: Predictor) -> None:
        self.profile = profile
        self._search = FaceSearch(profile.upsample)
        self._predictor = load_predictor(predictor)
        self._targets = target_points(profile.resolution, profile.scale)

    def faces(self, frame: Image, mask: Image | None = None, last: Box | None = None) -> list[Face] | Skip:
        """The faces of a frame that the profile keeps: all, or one; or why there is none. Arguments as for `crop`."""
        if self.profile.faces == "all":
            return self.crop_all(frame, mask) or Skip.NO_FACE
        face = self.crop(frame, mask, last)
        return face if isinstance(face, Skip) else [face]

    def crop(self, frame: Image, mask: Image | None = None, last: Box | None = None) -> Face | Skip:
        """The aligned face of a frame: the one that a mask marks, else that continues `last`, else the largest.

        Args:
            frame: (H, W, 3) uint8 BGR.
            mask: (H, W) uint8, above 1 where the frame was manipulated, or None.
            last: where the face was in the frame before of the same clip; mode `exact` does not heed it.

        Returns:
            The face, or why there is none.
        """
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        face: Face | Skip = Skip.NO_FACE
        for box in self._candidates(rgb, mask, last):
            face = self._align(frame, rgb, box, mask)
            if isinstance(face, Face):
                break
        return face

    def given(self, crop: Image, mask: Image | None = None, landmarks: npt.NDArray[np.int64] | None = None) -> Face:
        """A face that comes as an aligned crop, kept as it is.

        Args:
            crop: (H, W, 3) uint8 BGR.
            mask: (H, W) uint8, above 1 where it was manipulated, or None.
            landmarks: (81, 2) in pixels of the crop; None has them predicted, where no face is found in it where the
                face of an aligned crop lies.

        Returns:
            The face; its box is the crop's, with no confidence if nothing was searched for.
        """
        height, width = crop.shape[:2]
        box = Box(0, 0, width - 1, height - 1, math.nan)
        if landmarks is None:
            found = self._find_in_crop(crop)
            box = found or box
            place = found or _aligned_box(height, width, self.profile.scale)
            landmarks = predict(self._predictor, cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), place.rectangle())
        return Face(crop, landmarks, None if mask is None else binary(mask), box, np.eye(2, 3))

    def crop_all(self, frame: Image, mask: Image | None = None) -> list[Face]:
        """All faces of a frame that can be aligned, the largest first, but ahead of it the one that a mask marks.

        Mode `fast` looks for faces that are smaller than the detector's window only where it finds no larger one.

        Args:
            frame: (H, W, 3) uint8 BGR.
            mask: as for `crop`.
        """
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        boxes = in_order(self._search.every(rgb, fast=self.profile.mode == "fast"), mask)
        faces = [self._align(frame, rgb, box, mask) for box in boxes]
        return [face for face in faces if isinstance(face, Face)]

    def _candidates(self, rgb: Image, mask: Image | None, last: Box | None) -> Iterator[Box]:
        """Boxes to be tried one after the other, from the cheapest search to the exact one."""
        if self.profile.mode == "exact":
            yield from in_order(self._search.exact(rgb), mask)[:1]
            return
        if mask is not None and (marked := int(np.count_nonzero(mask > 1))):
            yield from self._marked(rgb, mask, marked, last)
            return
        if last is not None and (near := self._search.near(rgb, last)):
            yield near
        for boxes in self._search.cascade(rgb):
            followed = same_face(boxes, last) if last else None
            if followed:
                yield followed
            if followed != largest(boxes):
                yield largest(boxes)

    def _marked(self, rgb: Image, mask: Image, marked: int, last: Box | None) -> Iterator[Box]:
        """As `_candidates`, of a frame whose mask marks so many pixels: a box with most of them needs no dearer search.

        Where none has, the face that covers most of them may have been too small for the cheap searches.
        """
        near = self._search.near(rgb, last) if last else None
        boxes: list[Box] = []
        for boxes in chain([[near]] if near else [], self._search.cascade(rgb)):
            best = in_order(boxes, mask)[0]
            if manipulated(best, mask) > marked / 2:
                yield best
        yield from in_order(boxes, mask)[:1]

    def _align(self, frame: Image, rgb: Image, box: Box, mask: Image | None) -> Face | Skip:
        points = predict(self._predictor, rgb, box.rectangle())[list(ALIGNMENT_POINTS)]
        matrix = similarity_transform(points, self._targets)
        size = (self.profile.resolution, self.profile.resolution)
        crop: Image = cv2.warpAffine(frame, matrix, size)
        in_crop = self._find_in_crop(crop)
        if in_crop is None:
            return Skip.NO_FACE_IN_CROP
        landmarks = predict(self._predictor, cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), in_crop.rectangle())
        warped = None if mask is None else binary(cv2.warpAffine(mask, matrix, size))
        return Face(crop, landmarks, warped, box, matrix)

    def _find_in_crop(self, crop: Image) -> Box | None:
        """The face of a crop. DeepfakeBench's search sees a BGR image and takes the most confident face."""
        if self.profile.mode == "fast":
            width = ALIGNED_WIDTH / self.profile.scale * self.profile.resolution
            middle = complex(*crop.shape[:2]) / 2
            boxes = self._search.at_least(crop, width)
            nearest = min(boxes, key=lambda box: abs(box.centre - middle), default=None)
            if nearest and nearest.score >= CONFIDENT:
                return nearest
        return next(iter(self._search.exact(crop)), None)


def _aligned_box(height: int, width: int, scale: float) -> Box:
    """The square in the middle of an aligned crop that dlib would put around the face."""
    half = ALIGNED_WIDTH / scale * min(height, width) / 2
    return Box(
        round(width / 2 - half), round(height / 2 - half), round(width / 2 + half), round(height / 2 + half), math.nan
    )


def binary(mask: Any) -> Image:
    """A mask (H, W) as 0, or 255 where it is above 1."""
    return np.where(mask > 1, np.uint8(255), np.uint8(0))
