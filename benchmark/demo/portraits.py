"""Pictures of one person each: read from a folder, the face and its 81 landmarks found."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.warp import transform
from preprocessing.landmarks import Predictor, load_predictor, predict

if TYPE_CHECKING:
    import dlib

SUFFIXES = (".jpg", ".jpeg", ".png")
_LONGEST_SIDE = 900
_MIN_JAW = 64


@dataclass(frozen=True, slots=True)
class Portrait:
    """A still and its landmarks.

    Attributes:
        rgb: (H, W, 3) uint8.
        landmarks: (81, 2) float32, pixels of `rgb`, x then y.
    """

    rgb: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]


def find_portrait(
    rgb: npt.NDArray[np.uint8], predictor: "dlib.shape_predictor", only_one: bool = False
) -> Portrait | None:
    """Finds the largest face with dlib's frontal detector and predicts its landmarks.

    Args:
        rgb: (H, W, 3) uint8.
        predictor: as loaded by `preprocessing.landmarks.load_predictor`.
        only_one: return None where there is more than one face.

    Returns:
        The portrait, or None where there is no face.
    """
    import dlib

    boxes = dlib.get_frontal_face_detector()(rgb)
    if not boxes or (only_one and len(boxes) > 1):
        return None
    box = max(boxes, key=lambda found: found.width() * found.height())
    return Portrait(rgb, predict(predictor, rgb, box).astype(np.float32))


def find_pictures(folder: Path) -> list[Path]:
    """All jpg and png files below a folder, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def read_portraits(paths: list[Path], predictor: Predictor) -> list[Portrait | str]:
    """Reads pictures, reduced to at most 900 pixels, and finds the largest face of each.

    Args:
        paths: jpg or png files.
        predictor: the landmark predictor to use.

    Returns:
        For each the portrait, or why it is not usable: "unreadable", "no face" or "face too small" (jaw under 64 px).
    """
    loaded = load_predictor(predictor)
    return [_read_portrait(path, loaded) for path in paths]


def read_picture(path: Path) -> npt.NDArray[np.uint8] | None:
    """A jpg or png file, reduced to at most 900 pixels, as (H, W, 3) uint8 RGB; None if it cannot be read."""
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if len(encoded) else None
    except (OSError, cv2.error):
        bgr = None
    if bgr is None:
        return None
    scale = _LONGEST_SIDE / max(bgr.shape[:2])
    if scale < 1:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _read_portrait(path: Path, predictor: "dlib.shape_predictor") -> Portrait | str:
    rgb = read_picture(path)
    if rgb is None:
        return "unreadable"
    portrait = find_portrait(rgb, predictor)
    if portrait is None:
        return "no face"
    jaw = float(np.linalg.norm(portrait.landmarks[16] - portrait.landmarks[0]))
    return portrait if jaw >= _MIN_JAW else "face too small"


def frame_face(portrait: Portrait, size: int) -> Portrait:
    """Cuts a square of `size` pixels around the face: twice the jaw's width, or what the picture has.

    Args:
        portrait: a picture of any size.
        size: side of the square in pixels.

    Returns:
        The square with the landmarks moved along.
    """
    height, width = portrait.rgb.shape[:2]
    jaw = np.linalg.norm(portrait.landmarks[16] - portrait.landmarks[0])
    side = min(2.0 * jaw, height, width)
    centre = portrait.landmarks[[0, 16, 27, 8]].mean(axis=0) - (0, 0.1 * side)
    left = float(np.clip(centre[0] - side / 2, 0, width - side))
    top = float(np.clip(centre[1] - side / 2, 0, height - side))
    matrix = np.array([[size / side, 0, -left * size / side], [0, size / side, -top * size / side]])
    flags = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    square = cv2.warpAffine(portrait.rgb, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return Portrait(square, transform(matrix, portrait.landmarks))
