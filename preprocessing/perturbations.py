"""What can happen to an image on its way, by name: for robustness tables and curves."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator, Field
from scipy.special import ndtri

from config.base import Schema, Share
from config.registry import Registry
from preprocessing import operators
from preprocessing.clips import Image

_QUANTILES = 1 << 16  # of the normal distribution, that noise is drawn from


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower bound {limits[0]} is above the upper bound {limits[1]}")
    return limits


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"a kernel has an odd number of pixels, not {size}")
    return size


def _both_ends(value: object) -> object:
    """A single number as the range from it to itself."""
    return (value, value) if isinstance(value, int | float) else value


class Perturbation(Schema):
    """A change of an image; its fields are the parameters that a level of a suite gives.

    Attributes:
        is_random: whether it draws, so that several draws differ.
    """

    is_random: ClassVar[bool] = False

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """A perturbed copy of an image.

        Args:
            image: (H, W, 3) uint8 RGB, left as it is.
            rng: source of all random choices.
        """
        raise NotImplementedError


class ClipPerturbation(Perturbation):
    """A change of a whole clip, whose frames depend on each other; a still is taken for a clip of one frame."""

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return next(iter(self.apply_to_clip([image], rng)))

    def apply_to_clip(self, frames: Iterable[Image], rng: np.random.Generator) -> Iterator[Image]:
        """The perturbed frames of a clip, as many and in the same order; they need not all be held at once.

        Args:
            frames: each (H, W, 3) uint8 RGB, all of one size, in the order of time.
            rng: source of all random choices.
        """
        raise NotImplementedError


PERTURBATION: Registry[type[Perturbation]] = Registry(
    "perturbation",
    dict.fromkeys(
        (
            "block_wise",
            "contrast",
            "gaussian_blur",
            "gaussian_noise",
            "h264",
            "jpeg",
            "resize",
            "saturation",
            "shift",
        ),
        "preprocessing.perturbations",
    ),
    group="assay.perturbations",
)


@PERTURBATION.register_module(module_name="block_wise")
class BlockWise(Perturbation):
    """A `ratio` of the cells of a `grid` x `grid` in black.

    Which cells is drawn for each image. Where the ratio of the cells is no whole number their number is drawn as well,
    from the two nearest, so that it has the right mean: of 1.6 cells, 2 in six of ten draws and else 1. Source: ProDet
    (NeurIPS 2024), Table 4, which does not say what a block is filled with, nor how it rounds.
    """

    is_random = True

    ratio: Share
    grid: Annotated[int, Field(ge=1, le=64)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        cells = self.grid**2
        count = int(self.ratio * cells + rng.random())
        return operators.black_out(image, self.grid, rng.choice(cells, min(count, cells), replace=False))


@PERTURBATION.register_module(module_name="gaussian_noise")
class GaussianNoise(Perturbation):
    """Gaussian noise with a `variance`, in squares of the 255 levels, for each pixel and channel by itself.

    The variance is a number or [low, high], of which one is drawn for each image, all equally likely. Rounded and
    clipped to 0..255 afterwards. Source: ProDet (NeurIPS 2024), Table 4.
    """

    is_random = True

    variance: Annotated[
        tuple[Annotated[float, Field(ge=0, le=255**2)], Annotated[float, Field(ge=0, le=255**2)]],
        BeforeValidator(_both_ends),
        AfterValidator(_ordered),
    ]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        deviation = np.float32(np.sqrt(rng.uniform(*self.variance)))
        # Several times as fast as standard_normal; rounded first, since whole levels plus noise round alike.
        levels = np.rint(_normal_quantiles() * deviation).astype(np.int16)
        return operators.add(image, levels[rng.integers(0, _QUANTILES, image.shape, np.uint16)])


@PERTURBATION.register_module(module_name="shift")
class Shift(Perturbation):
    """The image moved by whole `pixels`, [low, high], drawn for x and y by itself; black comes in from outside.

    All whole numbers from low to high are equally likely; positive ones move right and down. Source: ProDet (NeurIPS
    2024), Table 4, which does not say what comes in.
    """

    is_random = True

    pixels: Annotated[
        tuple[Annotated[int, Field(ge=-4096, le=4096)], Annotated[int, Field(ge=-4096, le=4096)]],
        AfterValidator(_ordered),
    ]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        x, y = rng.integers(*self.pixels, 2, endpoint=True).tolist()
        return operators.shift(image, x, y)


@PERTURBATION.register_module(module_name="gaussian_blur")
class GaussianBlur(Perturbation):
    """Gaussian blur with an odd kernel of `size` pixels.

    Its weights are OpenCV's for the size: binomial at 3 and 5, fixed ones near a Gaussian's at 7 and 9, and from 11 on
    a Gaussian of deviation 0.3 * ((size - 1) / 2 - 1) + 0.8 pixels. Source: ADFD, Table 10.
    """

    size: Annotated[int, Field(ge=1, le=255), AfterValidator(_odd)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.gaussian_blur(image, self.size)


@PERTURBATION.register_module(module_name="contrast")
class Contrast(Perturbation):
    """Distances from the image's mean luma (ITU-R BT.601) times a `factor`, in all channels.

    mean + factor * (image - mean), rounded and clipped. Source: FIA-USA (NeurIPS 2025), Figure 3, which gives neither
    formula nor factors; DeeperForensics-1.0's perturbation of this name multiplies by the factor alone and darkens.
    """

    factor: Annotated[float, Field(ge=0, le=10)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.contrast(image, self.factor)


@PERTURBATION.register_module(module_name="saturation")
class Saturation(Perturbation):
    """Distances from each pixel's luma (ITU-R BT.601) times a `factor`: 0 is grey, 1 the image.

    luma + factor * (image - luma), rounded and clipped. Source: the change of colour saturation of DeeperForensics-1.0
    (CVPR 2020), which multiplies the two chroma channels.
    """

    factor: Annotated[float, Field(ge=0, le=10)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.saturation(image, self.factor)


@PERTURBATION.register_module(module_name="jpeg")
class Jpeg(Perturbation):
    """A JPEG round trip at `quality`, libjpeg's 1 to 100, with chroma at half the resolution (4:2:0)."""

    quality: Annotated[int, Field(ge=1, le=100)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.jpeg(image, self.quality)


@PERTURBATION.register_module(module_name="resize")
class Resize(Perturbation):
    """To `size` x `size` pixels and back to the image's own size, with linear interpolation both ways.

    Nothing is smoothed before shrinking. Source: ADFD, Table 10, which does not say how it interpolates.
    """

    size: Annotated[int, Field(ge=1, le=4096)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.resize_and_back(image, self.size)


@PERTURBATION.register_module(module_name="h264")
class H264(ClipPerturbation):
    """Recompression of a clip with H.264 at a constant rate factor `crf`, x264's 0 (best) to 51 (worst).

    Encoded as 25 frames a second of 4:2:0 (preprocessing.recompression), decoded again.
    """

    crf: Annotated[int, Field(ge=0, le=51)]

    def apply_to_clip(self, frames: Iterable[Image], rng: np.random.Generator) -> Iterator[Image]:
        """As `ClipPerturbation`."""
        from preprocessing.recompression import recompress

        return recompress(frames, self.crf)


@cache
def _normal_quantiles() -> npt.NDArray[np.float32]:
    """Values of the standard normal distribution, each as likely as any other."""
    return ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES).astype(np.float32)
