"""From a frame to an aligned face crop with 81 landmarks: DeepfakeBench's procedure and constants, profile `dfb`.

Source: DeepfakeBench's preprocess.py. Released weights expect these pixels, so the quirks stay: the mouth points are
one past the corners, the second detection sees a BGR image, and it takes the first face it returns.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from config.schema import Profile
from preprocessing.clips import Image
from preprocessing.landmarks import Predictor, load_predictor, predict

# Upper lid left, upper lid right, nose tip, and the points after the two mouth corners, in 81-point numbering.
ALIGNMENT_POINTS = (37, 44, 30, 49, 55)
# ArcFace's five points in a 112 x 112 image, shifted 8 to the right.
TEMPLATE_SIZE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


class Skip(StrEnum):
    """Why a sampled frame, or a whole clip, has no face in the store."""

    NO_FACE = "no face"
    NO_FACE_IN_CROP = "no face in crop"
    UNREADABLE_FRAME = "unreadable frame"
    UNREADABLE_MEDIA = "unreadable media"


@dataclass(frozen=True, slots=True)
class Face:
    """An aligned face.

    Attributes:
        crop: (R, R, 3) uint8 BGR.
        landmarks: (81, 2) int64, x and y in pixels of the crop.
        mask: (R, R) uint8, 0 or 255, or None.
        detector_score: dlib's confidence of the face in the frame.
    """

    crop: Image
    landmarks: npt.NDArray[np.int64]
    mask: Image | None
    detector_score: float


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
    """Finds, aligns and crops the largest face of a frame. Holds dlib's models: make one per process.

    Args:
        profile: resolution and scale of the crop, upsampling of the detector.
        predictor: the 81-point landmark model.
    """

    def __init__(self, profile: Profile, predictor: Predictor) -> None:
        import dlib

        self.profile = profile
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = load_predictor(predictor)
        self._targets = target_points(profile.resolution, profile.scale)

    def crop(self, frame: Image, mask: Image | None = None) -> Face | Skip:
        """The aligned largest face of a frame.

        Args:
            frame: (H, W, 3) uint8 BGR.
            mask: (H, W) uint8, above 1 where the frame was manipulated, or None.

        Returns:
            The face, or why there is none.
        """
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        boxes, scores, _ = self._detector.run(rgb, self.profile.upsample, 0.0)
        if not boxes:
            return Skip.NO_FACE
        largest = max(range(len(boxes)), key=lambda i: boxes[i].width() * boxes[i].height())
        points = predict(self._predictor, rgb, boxes[largest])[list(ALIGNMENT_POINTS)]
        matrix = similarity_transform(points, self._targets)
        size = (self.profile.resolution, self.profile.resolution)
        crop: Image = cv2.warpAffine(frame, matrix, size)
        in_crop = self._detector(crop, self.profile.upsample)
        if not in_crop:
            return Skip.NO_FACE_IN_CROP
        landmarks = predict(self._predictor, cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), in_crop[0])
        warped = None if mask is None else _binary(cv2.warpAffine(mask, matrix, size))
        return Face(crop, landmarks, warped, float(scores[largest]))


def _binary(mask: Any) -> Image:
    return np.where(mask > 1, np.uint8(255), np.uint8(0))
