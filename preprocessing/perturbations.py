"""Perturbations of a stored crop by name and level, for robustness curves; level 0 leaves the image as it is."""

from collections.abc import Callable

import numpy as np

from config.errors import InputError
from config.registry import Registry
from preprocessing import operators
from preprocessing.clips import Image

Perturbation = Callable[[Image, int, np.random.Generator], Image]

PERTURBATION: Registry[Perturbation] = Registry(
    "perturbation",
    {"gaussian_blur": "preprocessing.perturbations", "jpeg": "preprocessing.perturbations"},
    group="assay.perturbations",
)

BLUR_SIZES = (3, 5, 7, 9, 11)
JPEG_QUALITIES = (90, 70, 50, 30, 10)


def perturb(image: Image, name: str, level: int, rng: np.random.Generator) -> Image:
    """A perturbed copy of an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        name: a name in `PERTURBATION`.
        level: 0 (unchanged) to 5 (strongest).
        rng: source of random choices, for perturbations that make any.

    Raises:
        InputError: an unknown name, or a level outside of 0 to 5.
    """
    perturbation = PERTURBATION[name]
    if not 0 <= level <= 5:
        raise InputError(f"perturbation {name}: expected a level from 0 to 5, not {level}")
    return perturbation(image, level, rng) if level else image.copy()


@PERTURBATION.register_module(module_name="gaussian_blur")
def gaussian_blur(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Gaussian blur with kernels of 3, 5, 7, 9 and 11 pixels."""
    return operators.gaussian_blur(image, BLUR_SIZES[level - 1])


@PERTURBATION.register_module(module_name="jpeg")
def jpeg(image: Image, level: int, rng: np.random.Generator) -> Image:
    """JPEG of quality 90, 70, 50, 30 and 10."""
    return operators.jpeg(image, JPEG_QUALITIES[level - 1])
