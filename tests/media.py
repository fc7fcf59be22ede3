"""Small real media files for tests."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt


def write_video(path: Path, frames: Sequence[int] | npt.NDArray[np.uint8], codec: str = "mp4v") -> Path:
    """A video of grey levels, or of frames (T, H, W, 3) BGR."""
    images = [np.full((64, 64, 3), frame, np.uint8) if np.isscalar(frame) else frame for frame in frames]
    height, width = images[0].shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25, (width, height))
    assert writer.isOpened()
    for image in images:
        writer.write(image)
    writer.release()
    return path


def grey_levels(frames: Iterable[npt.NDArray[np.uint8] | None]) -> list[float]:
    """Mean level of each frame."""
    return [float("nan") if frame is None else float(frame.mean()) for frame in frames]
