"""What changes the pixels of source and target before a blend, and of real and fake after it.

The changes and their ranges are those of self-blended images (Shiohara and Yamasaki, CVPR 2022). A draw is separate
from its application, so that a real and a fake can go through the same one. Limits are read as albumentations reads
them, whose numbers they are: levels of 0..255 for red, green, blue, saturation and value, OpenCV's 0..179 for the hue,
fractions for brightness and contrast. So the limit of 0.3 for hue, saturation and value is not a third of their range
but less than one level. Results are rounded, as all operators here do; albumentations cuts them.
"""

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from config.base import Triple
from config.pseudofake import Changes, Final
from preprocessing import operators
from preprocessing.clips import Image

A = TypeVar("A", bound=npt.NDArray[Any])

RGB_PROB, RGB_LIMIT = 0.3, 20
HSV_LIMIT = 0.3
SOURCE_LIGHT_LIMIT, FINAL_LIGHT_LIMIT = 0.1, 0.3
DOWNSCALE_FACTORS = (2, 4)
SHARPEN_ALPHA, SHARPEN_LIGHTNESS = (0.2, 0.5), (0.5, 1.0)
JPEG_QUALITY = (40, 100)
LARGEST_NOISE, LARGEST_HOLE = 0.03, 0.25  # FIA-USA names the changes and gives no figures
MEDIAN_SIZES, LARGEST_TURN = (3, 5, 7), 10  # nor does ProDet: DeepfakeBench's sizes of a blur, and its degrees
SMOOTHING = 5  # pixels of the kernel with which a shrunk face is smoothed


@dataclass(frozen=True, slots=True)
class Photometric:
    """One draw of changes, in the order of their application; None leaves one out.

    Attributes:
        rgb: levels added to red, green and blue.
        hsv: whole levels added to hue, saturation and value. Zeros are not the identity: 8-bit HSV cannot tell all
            colours apart, and the way there and back alone moves most pixels by a level or more.
        light: brightness b and contrast c: (1 + c) * image + 255 * b.
        downscale: factor by which detail is lost.
        sharpen: alpha and lightness of `operators.sharpen`.
        median: pixels of a median blur's kernel.
        noise: standard deviation of Gaussian noise as a share of the 255 levels, and the seed it is drawn with.
        quality: of a JPEG round trip.
        turn: degrees counter-clockwise about the middle.
        hole: top, left, bottom and right of what turns black, as shares of height and width.
    """

    rgb: Triple | None = None
    hsv: tuple[int, int, int] | None = None
    light: tuple[float, float] | None = None
    downscale: int | None = None
    sharpen: tuple[float, float] | None = None
    median: int | None = None
    noise: tuple[float, int] | None = None
    quality: int | None = None
    turn: float | None = None
    hole: tuple[float, float, float, float] | None = None


def apply(image: Image, changes: Photometric) -> Image:
    """An image, (H, W, 3) uint8 RGB, after the changes but for turn and hole; the same object if there are none."""
    if changes.rgb is not None:
        image = operators.rgb_shift(image, *changes.rgb)
    if changes.hsv is not None:
        image = operators.hue_saturation(image, *changes.hsv)
    if changes.light is not None:
        image = operators.brightness_contrast(image, *changes.light)
    if changes.downscale is not None:
        image = operators.downscale(image, changes.downscale)
    if changes.sharpen is not None:
        image = operators.sharpen(image, *changes.sharpen)
    if changes.median is not None:
        image = operators.median_blur(image, changes.median)
    if changes.noise is not None:
        image = _noisy(image, *changes.noise)
    if changes.quality is not None:
        image = operators.jpeg(image, changes.quality)
    return image


def cut_hole(image: A, changes: Photometric) -> A:
    """An image or mask, (H, W, ...), with 0 in the hole of the changes; the same object if they have none.

    Apart from `apply`, as the hole's shares are those of what a network sees: of a loose crop that is a part.
    """
    if changes.hole is None:
        return image
    height, width = image.shape[:2]
    top, left, bottom, right = np.rint(np.array(changes.hole) * (height, width, height, width)).astype(int).tolist()
    holed = image.copy()
    holed[top:bottom, left:right] = 0
    return holed


def change_one_or_both(
    source: Image, target: Image, settings: Changes, rng: np.random.Generator
) -> tuple[Image, Image]:
    """Source and target, each (H, W, 3) uint8 RGB, of which one or both are changed."""
    applied_to = settings.applied_to
    if applied_to == "either":
        applied_to = "source" if rng.random() < 0.5 else "target"
    if applied_to != "target":
        source = apply(source, draw_changes(settings, rng))
    if applied_to != "source":
        target = apply(target, draw_changes(settings, rng))
    return source, target


def draw_changes(settings: Changes, rng: np.random.Generator) -> Photometric:
    """The changes of one image before the blend."""
    rgb = _rgb(rng) if settings.colour and rng.random() < RGB_PROB else None
    hsv = _hsv(rng) if settings.colour else None
    light = _light(rng, SOURCE_LIGHT_LIMIT) if settings.colour else None
    if not settings.frequency:
        return Photometric(rgb, hsv, light)
    if rng.random() < 0.5:
        return Photometric(rgb, hsv, light, downscale=int(rng.choice(DOWNSCALE_FACTORS)))
    sharpen = (float(rng.uniform(*SHARPEN_ALPHA)), float(rng.uniform(*SHARPEN_LIGHTNESS)))
    return Photometric(rgb, hsv, light, sharpen=sharpen)


def draw_final(settings: Final, rng: np.random.Generator) -> Photometric:
    """Changes that real and fake share, after the blend; each step with its probability.

    What came later than the others draws nothing where it is off, so that compositions without it keep their pixels.
    """
    return Photometric(
        rgb=_rgb(rng) if rng.random() < settings.rgb else None,
        hsv=_hsv(rng) if rng.random() < settings.hsv else None,
        light=_light(rng, FINAL_LIGHT_LIMIT) if rng.random() < settings.light else None,
        quality=int(rng.integers(*JPEG_QUALITY, endpoint=True)) if rng.random() < settings.jpeg else None,
        noise=_noise(rng) if rng.random() < settings.noise else None,
        hole=_hole(rng) if rng.random() < settings.cutout else None,
        median=int(rng.choice(MEDIAN_SIZES)) if settings.median and rng.random() < settings.median else None,
        turn=_turn(rng) if settings.rotate and rng.random() < settings.rotate else None,
    )


def lose_resolution(image: Image, face: float, side: float) -> Image:
    """The image as if its face had been made `side` pixels wide: shrunk so far, smoothed, and enlarged again.

    A face that is smaller already is only smoothed (Li and Lyu, 2019: warping artefacts).

    Args:
        image: (H, W, 3) uint8.
        face: width of the face in pixels.
        side: width that it is brought to.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(face, 1.0))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = operators.gaussian_blur(cv2.resize(image, size, interpolation=cv2.INTER_AREA), SMOOTHING)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _rgb(rng: np.random.Generator) -> Triple:
    red, green, blue = rng.uniform(-RGB_LIMIT, RGB_LIMIT, 3).tolist()
    return red, green, blue


def _hsv(rng: np.random.Generator) -> tuple[int, int, int]:
    """Down by one level or not at all, equally likely for each.

    That is what is left of a shift by -0.3 to 0.3 where, as in albumentations, the shifted level is cut to a whole one.
    """
    hue, saturation, value = np.floor(rng.uniform(-HSV_LIMIT, HSV_LIMIT, 3)).astype(int).tolist()
    return hue, saturation, value


def _light(rng: np.random.Generator, limit: float) -> tuple[float, float]:
    brightness, contrast = rng.uniform(-limit, limit, 2).tolist()
    return brightness, contrast


def _turn(rng: np.random.Generator) -> float:
    return float(rng.uniform(-LARGEST_TURN, LARGEST_TURN))


def _noise(rng: np.random.Generator) -> tuple[float, int]:
    return float(rng.uniform(0, LARGEST_NOISE)), int(rng.integers(2**32))


def _hole(rng: np.random.Generator) -> tuple[float, float, float, float]:
    height, width = rng.uniform(0, LARGEST_HOLE, 2).tolist()
    top, left = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    return float(top), float(left), float(top + height), float(left + width)


def _noisy(image: Image, deviation: float, seed: int) -> Image:
    noise = np.random.default_rng(seed).standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image + noise * np.float32(255 * deviation)), 0, 255).astype(np.uint8)
