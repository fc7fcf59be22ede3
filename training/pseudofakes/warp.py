"""Affine and elastic displacement of source and mask, as in self-blended images (Shiohara and Yamasaki, CVPR 2022).

Source and mask share the affine part, so that what is blended in fits its mask but lies beside its old place. The
elastic part changes the outline alone, so only the mask takes it, and in the same pass: moved, it is sampled once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from config.pseudofake import Displacement
from preprocessing.clips import Image
from preprocessing.margins import Window

TRANSLATE_X, TRANSLATE_Y = 0.03, 0.015
SMALLEST_SCALE, LARGEST_SCALE = 0.95, 1 / 0.95
ELASTIC_ALPHA, ELASTIC_SIGMA = 50.0, 7.0
_CELL = 4
_MARGIN = 4  # cells around the field, as a blur at a border finds more of the same noise there


@dataclass(frozen=True, slots=True)
class Warp:
    """One draw of the displacement; as it stands, the identity.

    Attributes:
        translate: shift right and down, as fractions of width and height.
        scale: enlargement of x and of y, about the centre.
        elastic: (2, h, w) float32, where a mask's pixel is taken from: so many pixels to the right and below of itself,
            before the affine part; None for no displacement.
    """

    translate: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    elastic: npt.NDArray[np.float32] | None = None


def draw_warp(settings: Displacement, rng: np.random.Generator) -> Warp:
    """Translation up to 3 % of the width and 1.5 % of the height, scales of 0.95 to 1 / 0.95, or the identity.

    All are uniform, and x and y independent, so that the face's proportions change a little. The elastic part, which is
    drawn for the part of an image that it is wanted in (`elastic_field`), is None.
    """
    if not settings.affine:
        return Warp()
    right, down = rng.uniform(-1, 1, 2) * (TRANSLATE_X, TRANSLATE_Y)
    wider, higher = rng.uniform(SMALLEST_SCALE, LARGEST_SCALE, 2)
    return Warp((float(right), float(down)), (float(wider), float(higher)))


def elastic_field(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Smooth random displacement: white noise under a Gaussian of 7 px, about 1.2 px in standard deviation.

    Stands for a Gaussian filter of sigma 7 over uniform noise in -50..50 for each pixel, at a small part of its cost:
    the noise has a value for each 4 x 4 pixels, with the standard deviation of their mean. It is blurred there and
    doubled twice by OpenCV's pyramid, each time with a binomial kernel of variance 1; variances add up to sigma's.

    Returns:
        (2, H, W) float32, displacement in x and y in pixels.
    """
    rows, columns = (math.ceil(side / _CELL) + 2 * _MARGIN for side in (height, width))
    noise = (2 * rng.random((rows, columns, 2), dtype=np.float32) - 1) * np.float32(ELASTIC_ALPHA / _CELL)
    sigma = math.sqrt(ELASTIC_SIGMA**2 - 2**2 - 1) / _CELL
    coarse = cv2.GaussianBlur(noise, (0, 0), sigma)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    field = cv2.pyrUp(cv2.pyrUp(coarse))[:height, :width]
    return np.stack(cv2.split(field))


def warp_image(image: Image, warp: Warp) -> Image:
    """An image after the affine part, sampled linearly; what comes in from outside is black.

    Args:
        image: (H, W, 3) uint8.
        warp: the displacement.
    """
    whole = window_of(image.shape)
    return warp_part(image, whole, warp, image.shape[:2], whole)


def warp_part(part: Image, place: Window, warp: Warp, shape: tuple[int, int], wanted: Window) -> Image:
    """A part of what `warp_image` makes of an image, from no more of it than that needs (`source_of`).

    Args:
        part: (h, w, 3) uint8, what a window cuts out of the image.
        place: that window.
        warp: the displacement.
        shape: height and width of the whole image.
        wanted: which part of the result.
    """
    matrix = _matrix(warp, shape)
    matrix[:, 2] += matrix[:, :2] @ _corner(place) - _corner(wanted)
    # OpenCV moves four channels faster than three, and each by itself, so that the pixels are the same.
    even = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)
    moved = cv2.warpAffine(even, matrix, _size(wanted), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB)


def warp_mask(mask: npt.NDArray[Any], warp: Warp, wanted: Window | None = None) -> npt.NDArray[Any]:
    """A mask after both parts, the elastic one last, of the nearest pixels: two levels stay two levels.

    The elastic part takes the mask as reflected at the border; what the affine part brings in from outside is 0.

    Args:
        mask: (H, W) float32 or uint8.
        warp: the displacement, its elastic part of the size of what is wanted.
        wanted: which part of the result; None for all.

    Returns:
        (h, w) of the same type.
    """
    height, width = mask.shape
    wanted = wanted or window_of(mask.shape)
    if warp.elastic is None:
        matrix = _matrix(warp, mask.shape)
        matrix[:, 2] -= _corner(wanted)
        return cv2.warpAffine(mask, matrix, _size(wanted), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    rows, columns = (np.arange(side.start, side.stop, dtype=np.float32) for side in wanted)
    x = _before(_reflect(columns + warp.elastic[0], width - 1), warp.translate[0], warp.scale[0], width)
    y = _before(_reflect(rows[:, None] + warp.elastic[1], height - 1), warp.translate[1], warp.scale[1], height)
    return cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)


def result_of(window: Window, warp: Warp, shape: tuple[int, int], reach: int) -> Window:
    """Where the affine part takes a window of an image, and `reach` pixels around it, as far as the image goes."""
    return _moved(window, _matrix(warp, shape), shape, reach)


def source_of(window: Window, warp: Warp, shape: tuple[int, int], reach: int) -> Window:
    """Where the affine part takes a window from, and `reach` pixels around it, as far as the image goes."""
    return _moved(window, cv2.invertAffineTransform(_matrix(warp, shape)), shape, reach)


def window_of(shape: Sequence[int]) -> Window:
    """The whole of an image of this shape."""
    return slice(0, shape[0]), slice(0, shape[1])


def _moved(window: Window, matrix: npt.NDArray[np.float64], shape: tuple[int, int], reach: int) -> Window:
    (wider, _, right), (_, higher, down) = matrix.tolist()
    (rows, columns), (height, width) = window, shape
    return _stretched(rows, higher, down, reach, height), _stretched(columns, wider, right, reach, width)


def _stretched(side: slice, scale: float, shift: float, reach: int, length: int) -> slice:
    """A side of a window, scaled and shifted, with some pixels more at both ends, as far as the image is long."""
    start, stop = math.floor(scale * side.start + shift) - reach, math.ceil(scale * side.stop + shift) + reach
    return slice(min(max(start, 0), length - 1), max(min(stop, length), 1))


def _matrix(warp: Warp, shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """(2, 3) matrix of the affine part, about the centre of an image of (height, width)."""
    (right, down), (wider, higher) = warp.translate, warp.scale
    height, width = shape[:2]
    x, y = (1 - wider) * (width - 1) / 2 + width * right, (1 - higher) * (height - 1) / 2 + height * down
    return np.array([[wider, 0.0, x], [0.0, higher, y]])


def _corner(window: Window) -> npt.NDArray[np.float64]:
    return np.array([window[1].start, window[0].start], np.float64)


def _size(window: Window) -> tuple[int, int]:
    return window[1].stop - window[1].start, window[0].stop - window[0].start


def _before(places: npt.NDArray[np.float32], translate: float, scale: float, size: int) -> npt.NDArray[np.float32]:
    """Coordinates of one axis before the affine part, in place."""
    centre = (size - 1) / 2
    places -= np.float32(centre + size * translate)
    places *= np.float32(1 / scale)
    places += np.float32(centre)
    return places


def _reflect(places: npt.NDArray[np.float32], last: int) -> npt.NDArray[np.float32]:
    """Coordinates of 0 to `last`, those beyond either end turned back there, in place."""
    if places.min() < 0:
        np.abs(places, out=places)
    if places.max() > last:
        np.subtract(last, np.abs(np.subtract(last, places, out=places), out=places), out=places)
    return places
