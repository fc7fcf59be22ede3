"""The one image operator behind the demo's clips and forgeries: a smooth warp that carries points to points."""

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB, or (H, W) uint8."""
Points = npt.NDArray[np.float32]
"""(n, 2) float32, x then y, in pixels."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""

_STEP = 8  # pixels between the nodes at which the spline is evaluated; a power of two keeps cv2's fixed point exact


def thin_plate_map(to: Points, origin: Points, box: Box, smoothing: float = 0.0) -> npt.NDArray[np.float32]:
    """The thin-plate spline that says where each pixel of a warped picture comes from.

    Args:
        to: (n, 2) points of the warped picture.
        origin: (n, 2) points of the original that arrive there.
        box: the part of the warped picture that is wanted.
        smoothing: 0 carries the points exactly; above it, nearby points that disagree are averaged.

    Returns:
        (h, w, 2) float32 positions in the original, for every pixel of `box`.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    xs = left + _STEP * np.arange(-(-width // _STEP) + 1)
    ys = top + _STEP * np.arange(-(-height // _STEP) + 1)
    nodes = np.stack(np.meshgrid(xs, ys), axis=-1)
    spline = RBFInterpolator(to, origin, kernel="thin_plate_spline", smoothing=smoothing)
    coarse = spline(nodes.reshape(-1, 2)).reshape(nodes.shape).astype(np.float32)
    to_nodes = np.array([[1 / _STEP, 0, 0], [0, 1 / _STEP, 0]])
    return cv2.warpAffine(coarse, to_nodes, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def sample(picture: Image, positions: npt.NDArray[np.float32]) -> Image:
    """Reads a picture at (h, w, 2) float positions, bicubic, mirrored beyond its border."""
    return cv2.remap(picture, positions, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def similarity(to: Points, origin: Points) -> npt.NDArray[np.float64]:
    """The least-squares similarity (2, 3) that carries `origin` to `to` (Umeyama 1991), without reflection."""
    to_centre, origin_centre = to.mean(axis=0, dtype=float), origin.mean(axis=0, dtype=float)
    a, b = origin - origin_centre, to - to_centre
    cosine, sine = np.sum(a * b), np.sum(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    linear = np.array([[cosine, -sine], [sine, cosine]]) / np.sum(a * a)
    return np.hstack([linear, (to_centre - linear @ origin_centre)[:, None]])


def transform(matrix: npt.NDArray[np.float64], points: Points) -> Points:
    """Applies an affine (2, 3) matrix to (n, 2) points."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def bounding_box(points: Points, shape: tuple[int, ...], margin: int = 0) -> Box:
    """The box around points, `margin` pixels wider on each side, within a picture of `shape` (H, W, ...)."""
    left, top = np.floor(points.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 1 + margin
    return max(int(left), 0), max(int(top), 0), min(int(right), shape[1]), min(int(bottom), shape[0])
