"""H.264 recompression of a clip in memory: frames become a bit stream and frames again."""

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import cv2
import numpy as np
from av.codec.context import Flags

from preprocessing.clips import Image, UnreadableMediaError

FRAME_RATE = 25  # a second: x264 spreads bits by the time a frame is shown, and a decoded clip does not say it
# Macroblock-tree rate control gives other bytes from run to run on AVX-512.
OPTIONS = {"preset": "medium", "x264-params": "mbtree=0"}


def recompress(frames: Iterable[Image], crf: int) -> Iterator[Image]:
    """Encode frames with libx264, decode them again: the same pixels each time, as one thread encodes them.

    Colours are 4:2:0 of ITU-R BT.601; a side of odd length is filled up by its last row or column and cut again. No
    more frames are held than the encoder looks ahead.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size, in the order of time.
        crf: constant rate factor, 0 to 51.

    Yields:
        As many frames of the same size in the same order.

    Raises:
        UnreadableMediaError: the frames have different sizes.
    """
    decoder = av.CodecContext.create("h264", "r")
    encoder, size, number = None, (0, 0), -1
    for number, frame in enumerate(frames):
        if encoder is None:
            size = frame.shape[:2]
            encoder = _encoder(*size, crf)
        if frame.shape[:2] != size:
            raise UnreadableMediaError("frames of different sizes")
        even = cv2.copyMakeBorder(frame, 0, size[0] % 2, 0, size[1] % 2, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(even, format="rgb24")
        picture.pts = number
        for packet in encoder.encode(picture):
            yield from _pictures(decoder.decode(packet), size)
    if encoder is not None:
        for packet in encoder.encode(None):
            yield from _pictures(decoder.decode(packet), size)
        yield from _pictures(decoder.decode(None), size)


def codec_version() -> str:
    """Which builds of the libraries encode: "libavcodec 62.28.102, x264 core 165"."""
    encoder = _encoder(16, 16, 51)
    packets = [*encoder.encode(av.VideoFrame(16, 16, "yuv420p")), *encoder.encode(None)]
    core = re.search(rb"x264 - core (\d+)", bytes(packets[0]))
    library = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"libavcodec {library}, x264 core {core[1].decode() if core else 'unknown'}"


def _encoder(height: int, width: int, crf: int) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width + width % 2, height + height % 2
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    encoder.thread_count = 1
    encoder.flags |= Flags.bitexact
    encoder.options = {"crf": str(crf), **OPTIONS}
    return encoder


def _pictures(decoded: Iterable[av.VideoFrame], size: tuple[int, int]) -> Iterator[Image]:
    """Frames that a decoder gave, cut to (height, width)."""
    for frame in decoded:
        yield np.ascontiguousarray(frame.to_ndarray(format="rgb24")[: size[0], : size[1]])
