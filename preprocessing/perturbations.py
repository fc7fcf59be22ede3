"""What can happen to an image on its way, by name: for robustness tables and curves."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from config.base import Schema
from config.registry import Registry
from preprocessing import operators
from preprocessing.clips import Image


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


PERTURBATION: Registry[type[Perturbation]] = Registry(
    "perturbation",
    dict.fromkeys(("gaussian_blur", "jpeg"), "preprocessing.perturbations"),
    group="assay.perturbations",
)


@PERTURBATION.register_module(module_name="gaussian_blur")
class GaussianBlur(Perturbation):
    """Gaussian blur with an odd kernel of `size` pixels."""

    size: Annotated[int, Field(ge=1)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.gaussian_blur(image, self.size)


@PERTURBATION.register_module(module_name="jpeg")
class Jpeg(Perturbation):
    """A JPEG round trip at `quality`."""

    quality: Annotated[int, Field(ge=1, le=100)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """As `Perturbation`."""
        return operators.jpeg(image, self.quality)
