"""Frames become video files or stills, with bytes that depend on nothing but the frames and the library's version."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import numpy.typing as npt

from config.files import atomic_path

FRAME_RATE = 25


@dataclass(frozen=True, slots=True)
class Encoder:
    """How clips are encoded.

    Attributes:
        codec: FFmpeg's name of it.
        options: FFmpeg's options for it.
    """

    codec: str
    options: dict[str, str] = field(default_factory=dict)


C23 = Encoder("libx264", {"crf": "23", "preset": "medium", "x264-params": "mbtree=0"})
"""FaceForensics++'s c23, without macroblock-tree rate control: on AVX-512 its bytes differ from run to run."""
MPEG4 = Encoder("mpeg4", {"qmin": "5", "qmax": "5"})
"""Another codec with a fixed quantiser, for the second data set."""
MASK = Encoder("libx264", {"crf": "4", "preset": "veryfast", "x264-params": "mbtree=0"})
"""Nearly lossless, since a mask is thresholded just above black; likewise without macroblock-tree rate control."""


def write_video(path: Path, frames: npt.NDArray[np.uint8], encoder: Encoder) -> None:
    """Writes an MP4 file of 25 frames a second, whole or not at all.

    Args:
        path: the file; its folder is made.
        frames: (T, H, W, 3) RGB or (T, H, W) grey, uint8, of even height and width.
        encoder: one thread is used, so that the same frames give the same bytes.
    """
    options = {"fflags": "+bitexact"}
    with atomic_path(path) as scratch, av.open(str(scratch), "w", format="mp4", options=options) as container:
        stream = cast(av.VideoStream, container.add_stream(encoder.codec, rate=FRAME_RATE, options=encoder.options))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.ndim == 3 else "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_still(path: Path, frames: npt.NDArray[np.uint8]) -> None:
    """Writes the first of (T, H, W, 3) RGB uint8 frames as a JPEG file of quality 95, whole or not at all."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(frames[0], cv2.COLOR_RGB2BGR))
    with atomic_path(path) as scratch:
        scratch.write_bytes(encoded.tobytes())
