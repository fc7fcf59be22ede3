"""What the headers of image and video files say, read without decoding a picture."""

import io
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from preprocessing.clips import UnreadableMediaError

TAIL = 1 << 10  # bytes in which a picture's end is looked for first
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

# Table K.1 of ITU-T T.81, the luminance table that libjpeg scales to a quality, row by row.
LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes:
        codec: "jpeg", "png", or a video's four letters.
        width: in pixels, as the height.
        height: of a picture.
        jpeg_quality: of a JPEG, 1 to 100 as libjpeg counts; None of others.
        frame_rate: of a video, in frames a second; None of an image, and where the file does not say.
        frames: how many pictures the file promises.
    """

    codec: str
    width: int
    height: int
    jpeg_quality: int | None = None
    frame_rate: float | None = None
    frames: int = 1


def image_header(file: BinaryIO) -> Header | None:
    """The header of a JPEG or PNG that has an end as well; None for another kind.

    Args:
        file: at its beginning.

    Raises:
        UnreadableMediaError: the header is broken, or the picture ends before its end.
    """
    magic = file.read(len(PNG))
    if magic != PNG and not magic.startswith(JPEG):
        return None
    file.seek(0)
    try:
        image = Image.open(file, formats=("JPEG", "PNG"))
    except Image.DecompressionBombError:
        return None
    except (OSError, ValueError, SyntaxError):
        raise UnreadableMediaError("broken header") from None
    _look_for_end(file, b"IEND" if magic == PNG else b"\xff\xd9")
    tables = getattr(image, "quantization", None) or {}
    quality = quality_of(tuple(tables[0])) if 0 in tables else None
    return Header("png" if magic == PNG else "jpeg", image.width, image.height, jpeg_quality=quality)


def is_cut_off(file: BinaryIO, size: int) -> bool:
    """Whether an MP4, MOV, AVI or WebP ends before its own account says; False for others.

    Args:
        file: at its beginning.
        size: its length in bytes.
    """
    head = file.read(12)
    if head[4:8] == b"ftyp":
        return _end_of_boxes(file, size) > size
    if head[:4] == b"RIFF":
        length = int.from_bytes(head[4:8], "little")
        return length < 0xFFFFFFFF and 8 + length > size
    return False


@lru_cache(maxsize=1024)  # most files of a data set share a few tables
def quality_of(table: tuple[int, ...]) -> int:
    """The quality of libjpeg, 1 to 100, whose luminance table is nearest.

    Exact for what libjpeg wrote with its own tables, as OpenCV and Pillow do; an estimate for tables of others.

    Args:
        table: 64 steps of quantisation, row by row.
    """
    return 1 + int(np.abs(_tables() - np.array(table)).sum(axis=1).argmin())


def luminance_table(quality: int) -> npt.NDArray[np.int64]:
    """The 64 steps that libjpeg quantises luminance with, row by row, for a quality from 1 to 100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((np.array(LUMINANCE) * scale + 50) // 100, 1, 255)


@cache
def _tables() -> npt.NDArray[np.int64]:
    return np.stack([luminance_table(quality) for quality in range(1, 101)])


def _look_for_end(file: BinaryIO, end: bytes) -> None:
    """In the last bytes, then in all after the header, since programs append what they like. A preview is before it."""
    begin, size = file.tell(), file.seek(0, io.SEEK_END)
    for position in (max(begin, size - TAIL), begin):
        file.seek(position)
        if end in file.read():
            return
    raise UnreadableMediaError("cut off")


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the boxes of an MP4 or MOV end by their own account; what is no box any more is passed over."""
    position = 0
    while position < size:
        file.seek(position)
        box = file.read(16)
        length = int.from_bytes(box[:4], "big")
        if length == 1:
            length = int.from_bytes(box[8:16], "big")
        if length < 8 or not box[4:8].isalnum():
            return size
        position += length
    return position
