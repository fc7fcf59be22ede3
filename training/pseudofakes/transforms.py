"""What changes the pixels of source and target before a blend, and of real and fake after it.

The changes and their ranges are those of self-blended images (Shiohara and Yamasaki, CVPR 2022). A draw is separate
from its application, so that a real and a fake can go through the same one. Limits are read as albumentations reads
them, whose numbers they are: levels of 0..255 for red, green, blue, saturation and value, OpenCV's 0..179 for the hue,
fractions for brightness and contrast. So the limit of 0.3 for hue, saturation and value is not a third of their range
but less than one level. Results are rounded, as all operators here do; albumentations cuts them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from config.schema import Triple
from preprocessing import operators
from preprocessing.clips import Image

AppliedTo = Literal["source", "target", "both", "either"]

RGB_PROB, RGB_LIMIT = 0.3, 20
HSV_LIMIT = 0.3
SOURCE_LIGHT_LIMIT, FINAL_LIGHT_LIMIT = 0.1, 0.3
FINAL_HSV_PROB, FINAL_LIGHT_PROB, FINAL_JPEG_PROB = 0.3, 0.3, 0.5
DOWNSCALE_FACTORS = (2, 4)
SHARPEN_ALPHA, SHARPEN_LIGHTNESS = (0.2, 0.5), (0.5, 1.0)
JPEG_QUALITY = (40, 100)


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
        quality: of a JPEG round trip.
    """

    rgb: Triple | None = None
    hsv: tuple[int, int, int] | None = None
    light: tuple[float, float] | None = None
    downscale: int | None = None
    sharpen: tuple[float, float] | None = None
    quality: int | None = None


def apply(image: Image, changes: Photometric) -> Image:
    """An image, (H, W, 3) uint8 RGB, after the changes; the same object if there are none."""
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
    if changes.quality is not None:
        image = operators.jpeg(image, changes.quality)
    return image


@dataclass(frozen=True, slots=True)
class SourceTransform:
    """Changes that make source and target differ, before one is blended into the other.

    Attributes:
        colour: red, green and blue by up to 20 levels each in 3 of 10 draws; hue, saturation and value by up to 0.3
            and brightness and contrast by up to 0.1 in each draw.
        frequency: detail of a half or a quarter of the size, or sharpening; one of the two in each draw.
        applied_to: which images are changed. `either` is the source or the target, each half of the time; with `both`
            each has a draw of its own, as one in common would leave two copies of an image alike.
    """

    colour: bool = True
    frequency: bool = True
    applied_to: AppliedTo = "either"

    def __call__(self, source: Image, target: Image, rng: np.random.Generator) -> tuple[Image, Image]:
        """Source and target, each (H, W, 3) uint8 RGB, of which one or both are changed."""
        applied_to = self.applied_to
        if applied_to == "either":
            applied_to = "source" if rng.random() < 0.5 else "target"
        if applied_to != "target":
            source = apply(source, self.draw(rng))
        if applied_to != "source":
            target = apply(target, self.draw(rng))
        return source, target

    def draw(self, rng: np.random.Generator) -> Photometric:
        """The changes of one image."""
        rgb = _rgb(rng) if self.colour and rng.random() < RGB_PROB else None
        hsv = _hsv(rng) if self.colour else None
        light = _light(rng, SOURCE_LIGHT_LIMIT) if self.colour else None
        if not self.frequency:
            return Photometric(rgb, hsv, light)
        if rng.random() < 0.5:
            return Photometric(rgb, hsv, light, downscale=int(rng.choice(DOWNSCALE_FACTORS)))
        sharpen = (float(rng.uniform(*SHARPEN_ALPHA)), float(rng.uniform(*SHARPEN_LIGHTNESS)))
        return Photometric(rgb, hsv, light, sharpen=sharpen)


def draw_final(rng: np.random.Generator) -> Photometric:
    """Changes that real and fake share, after the blend: colours as above, each step in 3 of 10 draws; then JPEG.

    Brightness and contrast change by up to 0.3; JPEG of quality 40 to 100 comes in every second draw.
    """
    return Photometric(
        rgb=_rgb(rng) if rng.random() < RGB_PROB else None,
        hsv=_hsv(rng) if rng.random() < FINAL_HSV_PROB else None,
        light=_light(rng, FINAL_LIGHT_LIMIT) if rng.random() < FINAL_LIGHT_PROB else None,
        quality=int(rng.integers(*JPEG_QUALITY, endpoint=True)) if rng.random() < FINAL_JPEG_PROB else None,
    )


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
