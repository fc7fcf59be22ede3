"""The soft boundary of a pseudo-fake's mask: self-blended images' two passes of blurring, and ADFD's variants of them.

The first pass blurs and keeps only what stays at the maximum, which erodes the mask; the second blurs what is left. A
larger first kernel thus makes the mask smaller, a larger second one makes it reach out further.

Masks are (H, W) and are never changed in place. Their type counts: in a uint8 mask of 0 and 1 the first pass rounds to
0 or 1, which hardly erodes at all, while a float32 mask loses half a kernel on each side. ADFD (Table 3) traces most of
the gap between plain convex hulls and Face X-ray's masks to it.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from config.pseudofake import BlurKind

# A mask as it is drawn, and with a soft boundary, 0 to 1.
HardMask = npt.NDArray[np.uint8 | np.float32]
SoftMask = npt.NDArray[np.float32]

# Ranges of the draws, ends included.
SIDES = (192, 256)
KERNELS = (5, 25)
SIGMAS = (5, 45)

# Sums of float32 weights differ in the last bits where all of them should be 1.
_ROUNDING = 2 * np.finfo(np.float32).eps


@dataclass(frozen=True, slots=True)
class BoundaryBlur:
    """One draw of the two-pass blur.

    Attributes:
        height, width: pixels of the mask while it is blurred, whatever its own size is.
        erosion, softening: odd kernel sizes of the two passes, in pixels of that size.
        sigma: of the second pass's Gaussian, in pixels; the first pass's follows from its kernel.
        kind: what blurs, in both passes; "average" is a box, and only "gaussian" has a sigma.
    """

    height: int
    width: int
    erosion: int
    softening: int
    sigma: float
    kind: BlurKind = "gaussian"


def draw_blur(rng: np.random.Generator, kind: BlurKind = "gaussian") -> BoundaryBlur:
    """A blur with self-blended images' ranges: sides 192 to 256, odd kernels 5 to 25, sigma 5 to 45, all uniform."""
    height, width = rng.integers(*SIDES, size=2, endpoint=True)
    erosion, softening = rng.integers(KERNELS[0] // 2, KERNELS[1] // 2, size=2, endpoint=True) * 2 + 1
    sigma = rng.integers(*SIGMAS, endpoint=True)
    return BoundaryBlur(int(height), int(width), int(erosion), int(softening), float(sigma), kind)


def redraw_kernels(blur: BoundaryBlur, rng: np.random.Generator) -> BoundaryBlur:
    """An independent draw of kernels and sigma at the same size and kind, as BBMG's two masks need."""
    return replace(draw_blur(rng, blur.kind), height=blur.height, width=blur.width)


def blur_boundary(mask: HardMask, blur: BoundaryBlur) -> SoftMask:
    """Both passes over a mask.

    Args:
        mask: (H, W) uint8 or float32, >= 0; any scale, since both passes divide by the maximum.
        blur: the drawn parameters.

    Returns:
        (H, W) in [0, 1]; zeros of a mask in which nothing is left after the first pass.
    """
    return _soften(_erode(_resize(mask, blur), blur), mask.shape, blur)


def soften_boundary(mask: HardMask, blur: BoundaryBlur) -> SoftMask:
    """The second pass alone, for regions so small that the first would leave little of them: (H, W) in [0, 1]."""
    return _soften(_resize(_normalised(mask), blur), mask.shape, blur)


def blur_outside(mask: HardMask, kernel: int) -> SoftMask:
    """ADFD's study of how far the boundary reaches (Figure 5): 1 where the mask is at its maximum, Gaussian elsewhere.

    Args:
        mask: (H, W) uint8 or float32, >= 0, blurred at its own size as float32.
        kernel: odd size in pixels, from which sigma follows.

    Returns:
        (H, W) in [0, 1].
    """
    hard = _normalised(mask)
    blurred = np.minimum(cv2.GaussianBlur(hard, (kernel, kernel), 0), 1)
    blurred[hard == 1] = 1
    return blurred


def _erode(mask: HardMask, blur: BoundaryBlur) -> SoftMask:
    """The first pass: 1 where the blurred mask is at its maximum, 0 elsewhere."""
    blurred = _blurred(mask, blur.erosion, 0, blur.kind)
    peak = blurred.max()
    return ((blurred > 0) & (blurred >= peak * (1 - _ROUNDING))).astype(np.float32)


def _soften(mask: HardMask, shape: tuple[int, ...], blur: BoundaryBlur) -> SoftMask:
    """The second pass, and back to the (height, width) of the mask as it was given."""
    soft = _normalised(_blurred(mask, blur.softening, blur.sigma, blur.kind))
    return np.minimum(cv2.resize(soft, shape[::-1], interpolation=cv2.INTER_LINEAR), 1)


def _blurred(mask: HardMask, kernel: int, sigma: float, kind: BlurKind) -> HardMask:
    """The mask blurred in its own type; sigma 0 follows from the kernel."""
    if kind == "gaussian":
        return cv2.GaussianBlur(mask, (kernel, kernel), sigma)
    if kind == "average":
        return cv2.blur(mask, (kernel, kernel))
    if mask.dtype == np.uint8:
        return cv2.medianBlur(mask, kernel)
    # Of kernels above 5 OpenCV takes the median of bytes only; 256 levels are more than a hard mask has.
    levels = np.rint(mask * np.float32(255)).astype(np.uint8)
    return cv2.medianBlur(levels, kernel) / np.float32(255)


def _normalised(mask: HardMask) -> SoftMask:
    """The mask divided by its maximum; zeros stay zeros."""
    return mask.astype(np.float32) / np.float32(mask.max() or 1)


def _resize(mask: HardMask, blur: BoundaryBlur) -> HardMask:
    """The mask, in its own type, at the size at which it is blurred."""
    return cv2.resize(mask, (blur.width, blur.height), interpolation=cv2.INTER_LINEAR)
