"""Figures that explain scores: heat maps over faces."""

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

HEAT_MAP = "inferno"  # its brightness rises with the heat, so that it reads in grey as well
HEAT_SHARE = 0.6  # of the heat's colour over the face
LINE_AT = 0.5


def heat_overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A heat map over an image in grey, with a white line around all that is hotter than `LINE_AT`.

    Args:
        image: (H, W, 3) RGB.
        heat: (h, w) in [0, 1], enlarged to the image bilinearly.

    Returns:
        (H, W, 3) RGB.
    """
    height, width = image.shape[:2]
    fine = cv2.resize(np.asarray(heat, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colour = matplotlib.colormaps[HEAT_MAP](fine)[..., :3] * 255
    mixed = (HEAT_SHARE * colour + (1 - HEAT_SHARE) * grey).round().astype(np.uint8)
    around, _ = cv2.findContours((fine > LINE_AT).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mixed, around, -1, (255, 255, 255), max(1, width // 128))
