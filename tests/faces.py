"""Faces for tests: the embedded stills, which are GAN pictures of nobody."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import benchmark.demo
from preprocessing.clips import read_image


def still(number: int = 0) -> npt.NDArray[np.uint8]:
    """An embedded still as BGR (H, W, 3)."""
    stills = sorted((Path(benchmark.demo.__file__).parent / "stills").glob("*.jpg"))
    image = read_image(stills[number])
    assert image is not None
    return image
