"""How a pseudo-fake's source and target become one image: colour transfer and blending."""

from collections.abc import Sequence

import cv2
import numpy as np

from preprocessing.clips import Image
from training.pseudofakes.blur import HardMask, SoftMask

# Deviation in levels below which a channel is constant: rounding leaves some 1e-6, one other pixel of a million 1e-3.
_CONSTANT = 1e-4


def draw_ratio(ratios: Sequence[float], rng: np.random.Generator) -> float:
    """One of the ratios, all equally likely: SBI's dynamic blending has 1 half of the time, else 0.25, 0.5 or 0.75."""
    return ratios[int(rng.integers(len(ratios)))]


def blend(source: Image, target: Image, mask: SoftMask, ratio: float = 1.0) -> Image:
    """The image m * source + (1 - m) * target with m = ratio * mask, rounded to the nearest level.

    Where m is 0 the pixels are exactly the target's, where it is 1 exactly the source's.

    Args:
        source: (H, W, 3) uint8, what comes in where the mask is high.
        target: (H, W, 3) uint8, what stays where it is low.
        mask: (H, W) float32 in [0, 1].
        ratio: largest share of the source, 0 to 1.

    Returns:
        (H, W, 3) uint8.
    """
    weight = mask * np.float32(ratio)
    return cv2.blendLinear(source, target, weight, 1 - weight)


def transfer_colour(source: Image, target: Image, mask: HardMask | SoftMask) -> Image:
    """The source in the target's colours: mean and standard deviation of each channel inside the mask become equal.

    The change is applied to the whole source, since a blurred mask reaches further than the one that was measured in.

    Args:
        source: (H, W, 3) uint8.
        target: (H, W, 3) uint8.
        mask: (H, W); pixels above 0 are inside. Of an empty mask the source comes back as it is.

    Returns:
        (H, W, 3) uint8, rounded and clipped. A channel of a single level inside the mask is only shifted.
    """
    inside = (mask > 0).astype(np.uint8)
    if not inside.any():
        return source.copy()
    (source_mean, source_std), (target_mean, target_std) = (
        cv2.meanStdDev(image, mask=inside)[:2] for image in (source, target)
    )
    scale = np.divide(target_std, source_std, out=np.ones_like(source_std), where=source_std > _CONSTANT)
    levels = (np.arange(256) - source_mean) * scale + target_mean
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return cv2.LUT(source, np.ascontiguousarray(table.T).reshape(1, 256, 3))
