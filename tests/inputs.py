"""What a network must be given, worked out for one image by itself, apart from the code that does it for batches."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt


def network_input(
    image: npt.NDArray[np.uint8], resolution: int, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """(3, R, R) float32 of (H, W, 3) uint8: resized cubically, then level * (1 / (255 std)) - mean / std in float32."""
    if image.shape[:2] != (resolution, resolution):
        image = cv2.resize(image, (resolution, resolution), interpolation=cv2.INTER_CUBIC)
    factor = (1 / (255 * np.array(std))).astype(np.float32)
    offset = (np.array(mean) / np.array(std)).astype(np.float32)
    return np.ascontiguousarray((image.astype(np.float32) * factor - offset).transpose(2, 0, 1))
