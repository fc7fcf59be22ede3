"""Faces in a large frame: animated stills that move about before a blurred background, for measuring face search."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.demo.animate import animate, perform, smooth_signal
from benchmark.demo.portraits import Portrait, frame_face

_EDGE = 0.08  # of a face's square, over which it fades into the background


def compose_scene(
    portraits: Sequence[Portrait], jaws: Sequence[int], size: tuple[int, int], count: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Renders people who stand side by side and move within their part of the frame.

    Args:
        portraits: the stills, from left to right.
        jaws: how wide the jaw of each is to be, in pixels.
        size: height and width of the frame.
        count: number of frames.
        rng: decides on motion and background.

    Returns:
        (T, H, W, 3) uint8 RGB.
    """
    height, width = size
    frames = np.repeat(_background(height, width, rng)[None], count, axis=0)
    slot = width / len(portraits)
    for number, (portrait, jaw) in enumerate(zip(portraits, jaws, strict=True)):
        side = 2 * jaw
        people = animate(frame_face(portrait, side), perform(count, rng)).frames
        room_x, room_y = max(0.0, slot - side) / 2, max(0.0, height - side) / 2
        left = slot * (number + 0.5) - side / 2 + room_x * smooth_signal(count, rng)
        top = height / 2 - side / 2 + room_y * smooth_signal(count, rng)
        for frame, person, x, y in zip(frames, people, left, top, strict=True):
            _paste(frame, person, int(np.clip(x, 0, width - side)), int(np.clip(y, 0, height - side)))
    return frames


def _background(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Soft blotches of three sizes, so that the search has something to look at."""
    picture = np.full((height, width, 3), 110, np.float32)
    for cells, strength in ((6, 30), (24, 15), (96, 7)):
        noise = rng.normal(0, strength, (cells * height // width + 2, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _paste(frame: npt.NDArray[np.uint8], square: npt.NDArray[np.uint8], x: int, y: int) -> None:
    side = len(square)
    ramp = np.clip(np.minimum(np.arange(side), np.arange(side)[::-1]) / (_EDGE * side), 0, 1)
    alpha = np.minimum.outer(ramp, ramp)[..., None]
    place = frame[y : y + side, x : x + side]
    place[:] = (square * alpha + place * (1 - alpha)).astype(np.uint8)
