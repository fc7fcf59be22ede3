"""The 81-point landmark predictor: which file is used, what it is, and how it is asked.

The numbering is dlib's 68 points (iBUG 300-W: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67) and 13 points
of the forehead and temples, 68-80, as in `shape_predictor_81_face_landmarks.dat`, the predictor behind DeepfakeBench's
crops. That file may not be redistributed, so the project carries a compact substitute of its own (models/README.md) and
takes the official one where the user has it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from config.errors import InputError
from config.schema import Profile
from preprocessing.predictor_file import number_of_points

if TYPE_CHECKING:
    import dlib

PARTS = 81
ENVIRONMENT_VARIABLE = "ASSAY_LANDMARKS"
COMPACT_MODEL = Path(__file__).parent / "models" / "assay_landmarks_81.dat"
OFFICIAL_GIT_BLOB = "99036323b9c97e382836fec68ade1130d2b97324"
COMPACT_GIT_BLOB = "6c2781f9c875c71c16c7accaffa97621f3305648"
_KNOWN = {OFFICIAL_GIT_BLOB: "dlib81-official", COMPACT_GIT_BLOB: "assay-compact-81"}

FOREHEAD = (77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78)
"""The points 68-80 in their order along the hairline, from the left of the image to the right."""


def _mirror() -> npt.NDArray[np.int64]:
    """The permutation of the 81 points under a left-right flip; see `MIRROR`."""
    left_to_right = [
        range(17),  # jaw
        range(17, 27),  # brows
        range(31, 36),  # nostrils
        (36, 37, 38, 39, 42, 43, 44, 45),  # upper lids, corner to corner
        (41, 40, 47, 46),  # lower lids
        range(48, 55),  # outer upper lip
        (59, 58, 57, 56, 55),  # outer lower lip
        range(60, 65),  # inner upper lip
        (67, 66, 65),  # inner lower lip
        FOREHEAD,
    ]
    permutation = np.arange(PARTS)  # the bridge of the nose, 27-30, stays
    for row in left_to_right:
        permutation[list(row)] = list(reversed(row))
    return permutation


MIRROR = _mirror()
"""(81,) int64. Point i of a mirrored face is the mirror image of point MIRROR[i]: `flipped_points[MIRROR]`."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A landmark predictor file and what it is.

    Attributes:
        path: the file.
        name: "dlib81-official", "assay-compact-81" or "custom", told by the content and not by the file's name.
        git_blob: its git blob SHA-1, 40 hex digits; the official file is known by it.
        sha256: its SHA-256, 64 hex digits.
    """

    path: Path
    name: str
    git_blob: str
    sha256: str


def git_blob_hash(content: bytes) -> str:
    """The SHA-1 under which git stores `content`: that of "blob <length>", a NUL, and the content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def find_predictor(given: Path | None = None, environ: Mapping[str, str] = os.environ) -> Predictor:
    """Finds the predictor to use: the given file, else that of ASSAY_LANDMARKS, else the project's compact one.

    Args:
        given: a file named by the user (option or config), or None.
        environ: the environment; an empty ASSAY_LANDMARKS counts as unset.

    Raises:
        InputError: the file is missing, unreadable, or no predictor of 81 points.
    """
    from_environment = environ.get(ENVIRONMENT_VARIABLE, "")
    if given is not None:
        path, source = given, ""
    elif from_environment:
        path, source = Path(from_environment), f" (from {ENVIRONMENT_VARIABLE})"
    else:
        path, source = COMPACT_MODEL, " (the project's own)"
    subject = f"landmark predictor {path}{source}"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{subject}: no such file; expected a dlib shape predictor (.dat) of {PARTS} points") from None
    except OSError as error:
        raise InputError(f"{subject} cannot be read: {error.strerror}") from None
    points = number_of_points(content)
    if points is None:
        raise InputError(f"{subject} is not a dlib shape predictor; expected a .dat file of {PARTS} points")
    if points != PARTS:
        raise InputError(f"{subject} predicts {points} points; expected one of {PARTS} points")
    blob = git_blob_hash(content)
    return Predictor(path, _KNOWN.get(blob, "custom"), blob, hashlib.sha256(content).hexdigest())


def predictor_of(profile: Profile, given: Path | None = None) -> Predictor:
    """The predictor to use with a profile: the given file, else the profile's own, else as `find_predictor`."""
    return find_predictor(given or (Path(profile.landmarks) if profile.landmarks else None))


def load_predictor(predictor: Predictor) -> "dlib.shape_predictor":
    """Loads a predictor that `find_predictor` found.

    Raises:
        InputError: the file is damaged.
    """
    import dlib

    try:
        return dlib.shape_predictor(str(predictor.path))
    except (RuntimeError, MemoryError):
        raise InputError(
            f"landmark predictor {predictor.path} is damaged: it begins right, but dlib cannot load it"
        ) from None


def predict(
    predictor: "dlib.shape_predictor", rgb: npt.NDArray[np.uint8], box: "dlib.rectangle"
) -> npt.NDArray[np.int64]:
    """Predicts the 81 landmarks of the face in `box`.

    Args:
        predictor: as loaded by `load_predictor`.
        rgb: (H, W, 3) image, uint8.
        box: the face as dlib's frontal detector gave it, in pixels of `rgb`.

    Returns:
        (81, 2) pixels of `rgb`, x then y; points may lie outside the image.
    """
    shape = predictor(rgb, box)
    return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.int64)
