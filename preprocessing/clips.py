"""A clip: one video, folder of frames or group of still images of a data set, and how its frames are read."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

Image = npt.NDArray[np.uint8]

MOST_DIGITS = 9  # of a frame number: a manifest has 32 bits for it
# Why a clip is not to be processed.
ABSENT = "listed but not there"
EMPTY = "empty folder"


class UnreadableMediaError(Exception):
    """A file that no frame can be read from; the clip is counted as skipped."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a data set's layout lists: a video, a folder of frames, or still images, with its place in the data set.

    Attributes:
        dataset, split, label, class_name, method, compression: as in the manifest; split is "" if no list names it.
        media: "video" (a video file or the frames of one) or "image" (stills that belong to no video).
        files: one video file, or image files in order; none for a clip that is not there.
        name: path of the media relative to the root of the data set, POSIX, without suffix.
        store_folder: where its crops go in the FaceStore, as DeepfakeBench lays them: DATASET/.../frames/VIDEO.
        is_crop: whether its images are aligned face crops already, to be stored as they are.
        mask: the mask video, or folder of masks, that belongs to a fake, if there is one.
        landmarks: the folder of landmarks that belongs to a folder of crops, if there is one.
        identity_target, identity_source: whose head and whose face; "" where unknown.
        skip: why the clip is not to be processed at all, or "".
    """

    dataset: str
    split: str
    label: int
    class_name: str
    method: str
    compression: str
    media: Literal["video", "image"]
    files: tuple[Path, ...]
    name: str
    store_folder: str
    is_crop: bool = False
    mask: Path | None = None
    landmarks: Path | None = None
    identity_target: str = ""
    identity_source: str = ""
    skip: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of frames, and not a file."""
        return self.media == "video" and not (self.files and self.files[0].suffix.lower() in VIDEO_SUFFIXES)

    def frame_numbers(self) -> Sequence[int] | None:
        """The number of each frame of a folder, from the files' names (`numbers_of`); None of a video or a still."""
        return numbers_of([path.stem for path in self.files]) if self.is_folder else None

    @property
    def video_id(self) -> str:
        """Unique across the whole benchmark: data set, class, compression and path, never a bare folder name."""
        return "/".join(part for part in (self.dataset, self.class_name, self.compression, self.name) if part)


def numbers_of(names: Sequence[str]) -> Sequence[int]:
    """Frame numbers: the names themselves if they are different numbers, else the order in which they stand."""
    numbers = [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) <= MOST_DIGITS]
    return numbers if len(set(numbers)) == len(names) else range(len(names))


def natural_key(path: Path) -> tuple[tuple[int, int | str], ...]:
    """Sorts "frame2" before "frame10"."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def choose_frames(count: int, num_frames: int, stride: int | None = None) -> Sequence[int]:
    """Indices of the frames to use of a clip of `count` frames, ascending, without repetition.

    Evenly spread from the first to the last frame, truncated to integers as DeepfakeBench does, or
    every `stride`-th frame.
    """
    if stride is not None:
        return range(0, count, stride)
    return sorted({int(index) for index in np.linspace(0, count - 1, num_frames, endpoint=True, dtype=int)})


def read_frames(
    files: tuple[Path, ...], num_frames: int, stride: int | None = None
) -> Iterator[tuple[int, Image | None]]:
    """The chosen frames of a clip, as (index, BGR image of shape (H, W, 3)); None for a frame that cannot be decoded.

    A video is decoded once from the front: frames that are not wanted are grabbed but never converted. Where it ends
    before its header says, the frames that were evenly chosen are missing; of every `stride`-th frame the first alone,
    since a broken header may promise any number.

    Raises:
        UnreadableMediaError: not a video, or it holds no frame at all.
    """
    if files[0].suffix.lower() in VIDEO_SUFFIXES:
        yield from _read_video(files[0], num_frames, stride)
    else:
        for index in choose_frames(len(files), num_frames, stride):
            yield index, read_image(files[index])


def read_image(path: Path, flags: int = cv2.IMREAD_COLOR) -> Image | None:
    """An image file as BGR (H, W, 3), or (H, W) when `flags` asks for grey; None if it cannot be decoded."""
    try:
        encoded = np.fromfile(path, dtype=np.uint8)
    except OSError:
        return None
    return decode_image(encoded, flags)


def decode_image(encoded: npt.NDArray[np.uint8], flags: int = cv2.IMREAD_COLOR) -> Image | None:
    """The image that a buffer of file bytes holds, or None."""
    if encoded.size == 0:
        return None
    try:
        return cv2.imdecode(encoded, flags)
    except cv2.error:
        return None


def _read_video(path: Path, num_frames: int, stride: int | None) -> Iterator[tuple[int, Image | None]]:
    if path.stat().st_size == 0:
        raise UnreadableMediaError("empty file")
    capture = cv2.VideoCapture(str(path))
    try:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        if count <= 0:
            raise UnreadableMediaError("not a video")
        wanted = choose_frames(count, num_frames, stride)
        position, ended = 0, False
        for index in wanted:
            while not ended and position <= index:
                ended = not capture.grab()
                position += 1
            frame: Image | None = None
            if not ended:
                decoded, image = capture.retrieve()
                frame = image if decoded else None
            yield index, frame
            if ended and stride is not None:
                return
    finally:
        capture.release()
