"""What every reconstructor is: a function of a face crop, and what it is made of."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from preprocessing.clips import Image
from preprocessing.reconstruction.stored import ReconstructionModel


@dataclass(frozen=True, slots=True)
class Reconstructor:
    """Makes a face crop anew. The same crop gives the same pixels.

    Attributes:
        kind: one of `preprocessing.reconstruction.stored.KINDS`.
        model: what makes it, for the record.
        apply: (H, W, 3) uint8 RGB of any size to the same.
    """

    kind: str
    model: ReconstructionModel
    apply: Callable[[Image], Image]

    def __call__(self, image: Image) -> Image:
        """The crop made anew, (H, W, 3) uint8 RGB as given."""
        return self.apply(image)


def autoencode(network: Callable[[Tensor], Tensor], image: Image, multiple: int, device: torch.device) -> Image:
    """A crop through an autoencoder; its borders are repeated until the sides are multiples.

    Args:
        network: (1, 3, H, W) in [0, 1] to the same.
        image: (H, W, 3) uint8.
        multiple: what the network's sides must be multiples of.
        device: where the network is.
    """
    height, width = image.shape[:2]
    below, right = -height % multiple, -width % multiple
    padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return run_network(network, padded, device)[:height, :width]


def enlarge(network: Callable[[Image], Image], image: Image, scale: int) -> Image:
    """A crop reduced by an upscaler's factor (mean of areas) and enlarged by it again.

    Args:
        network: (h, w, 3) uint8 to (scale h, scale w, 3).
        image: (H, W, 3) uint8.
        scale: the factor.
    """
    height, width = image.shape[:2]
    reduced = resized(image, max(1, round(height / scale)), max(1, round(width / scale)))
    return resized(network(reduced), height, width)


def resized(image: Image, height: int, width: int) -> Image:
    """A crop in another size: the mean of areas where it shrinks, cubic where it grows, as it is where neither."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def run_network(network: Callable[[Tensor], Tensor], image: Image, device: torch.device) -> Image:
    """(H, W, 3) uint8 through a network of (1, 3, H, W) in [0, 1]; what leaves the range is clipped."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        made = network(pixels)[0].float().permute(1, 2, 0)
    return to_bytes(made.cpu().numpy())


def to_bytes(pixels: npt.NDArray[np.float32]) -> Image:
    """Pixels in [0, 1] as uint8, rounded; what leaves the range is clipped."""
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)
