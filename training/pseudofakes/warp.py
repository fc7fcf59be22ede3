"""Affine and elastic displacement of source and mask, as in self-blended images (Shiohara and Yamasaki, CVPR 2022).

Source and mask share the affine part, so that what is blended in fits its mask but lies beside its old place. The
elastic part changes the outline alone, so only the mask takes it, and in the same pass: moved, it is sampled once.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from config.pseudofake import Displacement
from preprocessing.clips import Image

TRANSLATE_X, TRANSLATE_Y = 0.03, 0.015
SMALLEST_SCALE, LARGEST_SCALE = 0.95, 1 / 0.95
ELASTIC_ALPHA, ELASTIC_SIGMA = 50.0, 7.0
_CELL = 4


@dataclass(frozen=True, slots=True)
class Warp:
    """One draw of the displacement; as it stands, the identity.

    Attributes:
        translate: shift right and down, as fractions of width and height.
        scale: enlargement of x and of y, about the centre.
        elastic: (2, H, W) float32, where a mask's pixel is taken from: so many pixels to the right and below of itself,
            before the affine part; None for no displacement.
    """

    translate: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    elastic: npt.NDArray[np.float32] | None = None


def draw_warp(height: int, width: int, settings: Displacement, rng: np.random.Generator) -> Warp:
    """Translation up to 3 % of the width and 1.5 % of the height, scales of 0.95 to 1 / 0.95, and an elastic field.

    All are uniform, and x and y independent, so that the face's proportions change a little. What the settings leave
    out stays the identity.
    """
    warp = Warp(elastic=elastic_field(height, width, rng) if settings.elastic else None)
    if not settings.affine:
        return warp
    right, down = rng.uniform(-1, 1, 2) * (TRANSLATE_X, TRANSLATE_Y)
    wider, higher = rng.uniform(SMALLEST_SCALE, LARGEST_SCALE, 2)
    return replace(warp, translate=(float(right), float(down)), scale=(float(wider), float(higher)))


def elastic_field(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Smooth random displacement: white noise under a Gaussian of 7 px, about 1.2 px in standard deviation.

    Stands for a Gaussian filter of sigma 7 over uniform noise in -50..50 for each pixel, at a small part of its cost:
    the noise has a value for each 4 x 4 pixels, with the standard deviation of their mean. It is blurred there and
    doubled twice by OpenCV's pyramid, each time with a binomial kernel of variance 1; variances add up to sigma's.

    Returns:
        (2, H, W) float32, displacement in x and y in pixels.
    """
    rows, columns = math.ceil(height / _CELL), math.ceil(width / _CELL)
    noise = (2 * rng.random((rows, columns, 2), dtype=np.float32) - 1) * np.float32(ELASTIC_ALPHA / _CELL)
    sigma = math.sqrt(ELASTIC_SIGMA**2 - 2**2 - 1) / _CELL
    coarse = cv2.GaussianBlur(noise, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    field = cv2.pyrUp(cv2.pyrUp(coarse))[:height, :width]
    return np.stack(cv2.split(field))


def warp_image(image: Image, warp: Warp) -> Image:
    """An image after the affine part, sampled linearly; what comes in from outside is black.

    Args:
        image: (H, W, 3) uint8.
        warp: the displacement.
    """
    return _affine(image, warp, cv2.INTER_LINEAR)


def warp_mask(mask: npt.NDArray[Any], warp: Warp) -> npt.NDArray[Any]:
    """A mask after both parts, the elastic one last, of the nearest pixels: two levels stay two levels.

    The elastic part takes the mask as reflected at the border; what the affine part brings in from outside is 0.

    Args:
        mask: (H, W) float32 or uint8, of the size that `warp.elastic` has.
        warp: the displacement.

    Returns:
        (H, W) of the same type.
    """
    if warp.elastic is None:
        return _affine(mask, warp, cv2.INTER_NEAREST)
    height, width = mask.shape
    size = _column(width, height)
    centre = (size - 1) / 2
    grid = np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    places = _reflect(grid + warp.elastic, size - 1)
    x, y = (places - centre - size * _column(*warp.translate)) / _column(*warp.scale) + centre
    return cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)


def _affine(image: npt.NDArray[Any], warp: Warp, interpolation: int) -> npt.NDArray[Any]:
    height, width = image.shape[:2]
    size, scale = np.array([width, height]), np.array(warp.scale)
    shift = (1 - scale) * (size - 1) / 2 + size * warp.translate
    matrix = np.column_stack([np.diag(scale), shift])
    return cv2.warpAffine(image, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_CONSTANT)


def _column(x: float, y: float) -> npt.NDArray[np.float32]:
    """A value for x and one for y, to go with fields of (2, H, W)."""
    return np.array([x, y], np.float32)[:, None, None]


def _reflect(places: npt.NDArray[np.float32], last: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Coordinates of 0 to `last`, those beyond either end turned back there."""
    return last - np.abs(last - np.abs(places))
