"""Face detectors that give the boxes of loose crops: a YuNet or a RetinaFace from a file, and how boxes meet landmarks.

Where a margin lies follows from the box, and the boxes of dlib, YuNet and RetinaFace differ: which detector gave them
is recorded, and stores of different ones are not mixed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from config.errors import InputError
from config.schema import Profile
from preprocessing.clips import Image
from preprocessing.search import Box

BoxDetector = Callable[[Image], list[Box]]
"""From a frame (H, W, 3) uint8 BGR to its faces."""

KINDS = {".onnx": "yunet", ".pth": "retinaface"}
YUNET_CONFIDENT = 0.7
YUNET_OVERLAP = 0.3  # IoU above which the less certain box of two is dropped
YUNET_CANDIDATES = 5000
SAME_FACE = 0.3  # IoU of a detector's box and one around landmarks from which on they may be of the same face


@dataclass(frozen=True, slots=True)
class DetectorFile:
    """A face detector's file.

    Attributes:
        path: the file.
        kind: "yunet" or "retinaface", told by the suffix.
        sha256: of its content, 64 hex digits.
    """

    path: Path
    kind: str
    sha256: str

    @property
    def name(self) -> str:
        """As in records: "yunet face_detection_yunet.onnx"."""
        return f"{self.kind} {self.path.name}"


def find_detector(profile: Profile) -> DetectorFile | None:
    """The detector file of a profile; None where dlib's boxes are used.

    Raises:
        InputError: the file is missing, or its suffix is of no detector.
    """
    if profile.detector_file is None:
        return None
    path = Path(profile.detector_file)
    if path.suffix.lower() not in KINDS:
        raise InputError(f"face detector {path}: expected a YuNet (.onnx) or a RetinaFace (.pth)")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"face detector {path} cannot be read: {error.strerror}") from None
    return DetectorFile(path, KINDS[path.suffix.lower()], hashlib.sha256(content).hexdigest())


def load_boxes(file: DetectorFile) -> BoxDetector:
    """A detector, ready to run.

    Raises:
        InputError: the file is damaged, or holds something else.
    """
    if file.kind == "yunet":
        return YuNet(file.path)
    from preprocessing.retinaface import read_retinaface

    return read_retinaface(file.path)


class YuNet:
    """YuNet (Wu et al., Machine Intelligence Research 2023) as OpenCV runs it.

    Args:
        path: the ONNX file.

    Raises:
        InputError: OpenCV cannot load it.
    """

    def __init__(self, path: Path) -> None:
        logging = cv2.utils.logging
        level = logging.getLogLevel()
        logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # it warns of every network whose device it has no choice of
        try:
            self._detector = cv2.FaceDetectorYN.create(
                str(path), "", (320, 320), YUNET_CONFIDENT, YUNET_OVERLAP, YUNET_CANDIDATES
            )
        except cv2.error:
            raise InputError(f"face detector {path} is not a YuNet that OpenCV can load") from None
        finally:
            logging.setLogLevel(level)

    def __call__(self, frame: Image) -> list[Box]:
        """The faces of a frame (H, W, 3) uint8 BGR, most certain first."""
        height, width = frame.shape[:2]
        self._detector.setInputSize((width, height))
        found = self._detector.detect(frame)[1]
        boxes = [
            Box(round(left), round(top), round(left + wide) - 1, round(top + high) - 1, score)
            for left, top, wide, high, *_, score in ([] if found is None else found.tolist())
        ]
        return sorted(boxes, key=lambda box: -box.score)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one.right, other.right) - max(one.left, other.left) + 1
    height = min(one.bottom, other.bottom) - max(one.top, other.top) + 1
    shared = max(0, width) * max(0, height)
    return shared / (one.area + other.area - shared)


def match(boxes: Sequence[Box], others: Sequence[Box]) -> dict[int, int]:
    """Which of the others is the same face as a box: pairs of indices, each used once, the best IoU first."""
    overlaps = {(i, j): iou(box, other) for i, box in enumerate(boxes) for j, other in enumerate(others)}
    pairs: dict[int, int] = {}
    for (i, j), overlap in sorted(overlaps.items(), key=lambda entry: -entry[1]):
        if overlap >= SAME_FACE and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs
