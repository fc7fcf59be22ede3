"""Whose face comes into whose: partners with similar landmarks, out of other videos (Face X-ray, CVPR 2020)."""

from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from sklearn.neighbors import NearestNeighbors

from config.errors import InputError
from preprocessing.clips import Image
from preprocessing.margins import INNER_POINTS
from preprocessing.samples import BrokenSampleError, Sample
from preprocessing.shared import SharedColumns

Landmarks = npt.NDArray[np.float32]


class PlacedFaces(Protocol):
    """Faces whose partners can be found, such as a `FaceSet`."""

    @property
    def rows(self) -> pd.DataFrame:
        """A row for each face, with its `video_id`."""

    @property
    def is_loose(self) -> bool:
        """Whether the crops are loose ones."""

    def landmarks(self, index: int) -> Landmarks:
        """(81, 2) landmarks of a face."""


class Partners:
    """The nearest faces of other videos for each face; goes to worker processes without being copied.

    Args:
        faces: (N,) numbers of the faces that have partners and are partners.
        videos: (N,) which video each is of, in numbers or names.
        landmarks: gives the (81, 2) landmarks of a face, in a common frame: aligned crops, or `in_own_box`.
        nearest: how many partners each has.

    Raises:
        InputError: there are too few faces of other videos.
    """

    def __init__(
        self,
        faces: npt.NDArray[np.int64],
        videos: npt.NDArray[Any],
        landmarks: Callable[[int], Landmarks],
        nearest: int,
    ) -> None:
        found = faces[nearest_of_other_videos(np.stack([landmarks(face) for face in faces]), videos, nearest)]
        columns = np.full((faces.max() + 1, nearest), -1, np.int32)
        columns[faces] = found
        self._nearest = nearest
        self._columns = SharedColumns(pa.table({str(rank): column for rank, column in enumerate(columns.T)}))

    def draw(self, face: int, rng: np.random.Generator) -> int:
        """One of a face's partners, all equally likely."""
        return int(self._columns.value(str(rng.integers(self._nearest)), face))


def find_partners(faces: PlacedFaces, numbers: npt.NDArray[np.int64], nearest: int) -> Partners:
    """The partners of some faces among themselves, by landmarks in aligned crops, or in their own box in loose ones.

    Args:
        faces: all faces.
        numbers: of those that have partners and are partners.
        nearest: how many partners each has.

    Raises:
        InputError: there are too few faces of other videos, or a face's landmarks cannot be read.
    """

    def placed(index: int) -> Landmarks:
        try:
            landmarks = faces.landmarks(index)
        except BrokenSampleError as error:
            raise InputError(f"partners are found by landmarks, and those of a face cannot be read: {error}") from None
        return in_own_box(landmarks) if faces.is_loose else landmarks

    return Partners(numbers, faces.rows["video_id"].to_numpy()[numbers], placed, nearest)


def partner_image(partner: Sample, face: Sample) -> Image:
    """A partner's picture as it comes into a face's: an aligned crop as it is, a loose one laid over the face.

    Raises:
        InputError: one of the two was read without its landmarks.
    """
    if face.box is None:
        return partner.image
    return fit_partner(partner.image, landmarks_of(partner), landmarks_of(face), face.image.shape[:2])


def landmarks_of(face: Sample) -> Landmarks:
    """The landmarks (81, 2) of a face that was read with them.

    Raises:
        InputError: it was read without.
    """
    if face.landmark is None:
        raise InputError("a pseudo-fake needs landmarks, but the face has none")
    return face.landmark


def nearest_of_other_videos(landmarks: Landmarks, videos: npt.NDArray[Any], nearest: int) -> npt.NDArray[np.int64]:
    """For each face the `nearest` faces of other videos, nearest first.

    By Euclidean distance of all coordinates. All pairs are compared: in 162 dimensions a KD-tree visits nearly as many,
    and one by one.

    Args:
        landmarks: (N, 81, 2).
        videos: (N,) which video each face is of.
        nearest: how many are wanted.

    Returns:
        (N, nearest) indices.

    Raises:
        InputError: a face has fewer faces of other videos.
    """
    _, video, sizes = np.unique(videos, return_inverse=True, return_counts=True)
    count = len(landmarks)
    if count - sizes.max(initial=0) < nearest:
        raise InputError(
            f"a partner is one of the {nearest} nearest faces of other videos, and of {count} faces there are "
            f"{count - sizes.max(initial=0)} of others; the pseudo-fake's key 'nearest' says how many"
        )
    enough = nearest + int(sizes.max()) - 1
    found = NearestNeighbors(n_neighbors=enough, algorithm="brute").fit(landmarks.reshape(count, -1)).kneighbors()[1]
    others = video[found] != video[:, None]
    order = np.argsort(~others, axis=1, kind="stable")[:, :nearest]
    return np.take_along_axis(found, order, axis=1)


def in_own_box(landmarks: Landmarks) -> Landmarks:
    """Landmarks as shares of their own box's sides: what loose crops, which differ in size, have in common."""
    corner, sides = _box(landmarks)
    return (landmarks - corner) / sides


def fit_partner(partner: Image, theirs: Landmarks, ours: Landmarks, shape: tuple[int, int]) -> Image:
    """A partner's loose crop brought to a face's: moved and scaled so that the landmarks' boxes coincide.

    Args:
        partner: (h, w, 3) uint8.
        theirs: (81, 2) landmarks of the partner.
        ours: (81, 2) landmarks of the face.
        shape: height and width of the face's crop, and of what is returned.
    """
    (source, sides), (target, wanted) = _box(theirs), _box(ours)
    scale = wanted / sides
    matrix = np.column_stack([np.diag(scale), target - scale * source])
    return cv2.warpAffine(partner, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _box(landmarks: Landmarks) -> tuple[Landmarks, Landmarks]:
    """Upper left corner and sides, at least a pixel, of the box around the landmarks without the forehead's."""
    inner = landmarks[:INNER_POINTS]
    corner = inner.min(axis=0)
    return corner, np.maximum(inner.max(axis=0) - corner, 1)
