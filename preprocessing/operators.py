"""Image operators that training augmentation and evaluation perturbations share, and the way into a network.

Pure functions: the same arguments give the same pixels in any process. Images are (H, W, 3) uint8 RGB and are never
changed in place; landmarks are (N, 2), x and y in pixels, with the centre of the first pixel at (0, 0).
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from config.base import Triple
from preprocessing.clips import Image
from preprocessing.landmarks import MIRROR

Landmark = npt.NDArray[np.float32]

_LEVELS = np.arange(256)
_PIXELS_AT_ONCE = 1 << 14
_LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue, ITU-R BT.601


def flip(image: Image) -> Image:
    """Left-right mirror of an image or mask."""
    return cv2.flip(image, 1)


def flip_landmark(landmark: Landmark, width: int) -> Landmark:
    """The 81 landmarks of the mirrored image: mirrored, and renumbered so that left and right keep their meaning."""
    mirrored = landmark[MIRROR]
    mirrored[:, 0] = width - 1 - mirrored[:, 0]
    return mirrored


def rotation(degrees: float, height: int, width: int) -> npt.NDArray[np.float64]:
    """(2, 3) matrix that turns an image about its centre, counter-clockwise as seen."""
    return cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)


def rotate(image: Image, degrees: float, interpolation: int = cv2.INTER_LINEAR) -> Image:
    """Turn an image or mask about its centre, counter-clockwise; what comes in from outside is the image reflected."""
    height, width = image.shape[:2]
    matrix = rotation(degrees, height, width)
    # OpenCV turns four channels faster than three, and each by itself, so that the pixels are the same.
    even = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA) if image.ndim == 3 else image
    turned = cv2.warpAffine(even, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)
    return cv2.cvtColor(turned, cv2.COLOR_RGBA2RGB) if image.ndim == 3 else turned


def rotate_landmark(landmark: Landmark, degrees: float, height: int, width: int) -> Landmark:
    """The landmarks of the image that `rotate` gives; some may lie outside of it."""
    matrix = rotation(degrees, height, width)
    return (landmark @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def gaussian_blur(image: Image, size: int) -> Image:
    """Gaussian blur with an odd kernel of `size` pixels, of OpenCV's weights: binomial at 3 and 5."""
    return cv2.GaussianBlur(image, (size, size), 0)


def gaussian_blur_of(image: Image, sigma: float) -> Image:
    """Gaussian blur with a standard deviation of `sigma` pixels, cut off at 3 of them; 0 changes nothing."""
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0 else image


def median_blur(image: Image, size: int) -> Image:
    """The median of each channel over an odd square of `size` pixels; border pixels are repeated outwards."""
    return cv2.medianBlur(image, size)


def brightness_contrast(image: Image, brightness: float, contrast: float) -> Image:
    """(1 + contrast) * image + 255 * brightness, rounded and clipped."""
    return _apply_curve(image, _LEVELS * (1 + contrast) + 255 * brightness)


def contrast(image: Image, factor: float) -> Image:
    """Distances from the mean luma times a factor: mean + factor * (image - mean), rounded and clipped."""
    mean = _LUMA @ np.array(cv2.mean(image)[:3])
    return _apply_curve(image, mean + factor * (_LEVELS - mean))


def saturation(image: Image, factor: float) -> Image:
    """Distances from each pixel's luma times a factor: luma + factor * (image - luma), rounded and clipped."""
    return cv2.transform(image, factor * np.eye(3) + (1 - factor) * np.tile(_LUMA, (3, 1)))


def rgb_shift(image: Image, red: float, green: float, blue: float) -> Image:
    """Add levels to each channel, rounded and clipped."""
    return _apply_curve(image, _LEVELS[:, None] + np.array([red, green, blue]))


def hue_saturation(image: Image, hue: float, saturation: float, value: float) -> Image:
    """Shift hue, saturation and value in 8-bit HSV: hue, 0..179, goes round, the others are clipped to 0..255."""
    curves = np.stack([(_LEVELS + round(hue)) % 180, _LEVELS + saturation, _LEVELS + value], axis=1)
    shifted = _apply_curve(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), curves)
    return cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB)


def fancy_pca(image: Image, alphas: npt.NDArray[np.float64]) -> Image:
    """AlexNet's colour augmentation (Krizhevsky et al., NIPS 2012, section 4.1).

    Adds one colour to all pixels: the sum over i of alpha_i lambda_i p_i, where lambda_i and p_i are eigenvalues and
    eigenvectors of the covariance of RGB in [0, 1]. As in the libraries the covariance is the image's own, not that of
    the training set. It is computed from sums of whole numbers, which are exact in any order, so that the pixels do not
    depend on the thread count; an eigenvector's sign, which is arbitrary, is chosen so that its components sum to >= 0.

    Args:
        image: (H, W, 3) uint8 RGB.
        alphas: (3,) weights, drawn from N(0, 0.1) in the paper; the first belongs to the smallest eigenvalue.
    """
    count = image.shape[0] * image.shape[1]
    means, planes = np.array(cv2.sumElems(image)[:3]) / count, cv2.split(image)
    covariance = (_products(planes) / count - np.outer(means, means)) / 255**2
    eigenvalues, vectors = np.linalg.eigh(covariance)
    vectors *= np.copysign(1.0, vectors.sum(axis=0))
    colour = 255 * (vectors @ (alphas * eigenvalues))
    return cv2.merge([_apply_curve(plane, _LEVELS + shift) for plane, shift in zip(planes, colour, strict=True)])


def sharpen(image: Image, alpha: float, lightness: float) -> Image:
    """(1 - alpha) * image + alpha * (lightness * image + edges), rounded and clipped.

    The edges are eight times a pixel less its eight neighbours, with the image reflected at its border. A flat area
    keeps its level at lightness 1 and gets darker below.
    """
    kernel = np.full((3, 3), -alpha)
    kernel[1, 1] = 1 - alpha + alpha * (8 + lightness)
    return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)


def downscale(image: Image, factor: int) -> Image:
    """Shrink by `factor`, taking every factor-th pixel, and enlarge again linearly: detail lost, size kept."""
    height, width = image.shape[:2]
    small_size = (max(width // factor, 1), max(height // factor, 1))
    small = cv2.resize(image, small_size, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def resize_and_back(image: Image, size: int) -> Image:
    """Shrink or enlarge to size x size and bring back to the image's own size, linearly both ways.

    Nothing is smoothed before it is shrunk, as with cv2.resize where no interpolation is asked for.
    """
    height, width = image.shape[:2]
    return cv2.resize(cv2.resize(image, (size, size)), (width, height))


def shift(image: Image, x: int, y: int) -> Image:
    """The image moved by whole pixels to the right and down; what comes in from outside is black."""
    rows, columns = _overlap(y, image.shape[0]), _overlap(x, image.shape[1])
    moved = np.zeros_like(image)
    moved[rows[0], columns[0]] = image[rows[1], columns[1]]
    return moved


def black_out(image: Image, grid: int, cells: npt.NDArray[np.integer]) -> Image:
    """Some cells of a grid in black.

    Args:
        image: (H, W, 3) uint8; cell (i, j) is rows i * H // grid to (i + 1) * H // grid, columns alike.
        grid: rows and columns of the grid.
        cells: numbers of cells, row by row from 0.
    """
    height, width = image.shape[:2]
    blacked = image.copy()
    for row, column in zip(*np.divmod(cells, grid), strict=True):
        rows = slice(row * height // grid, (row + 1) * height // grid)
        blacked[rows, column * width // grid : (column + 1) * width // grid] = 0
    return blacked


def add(image: Image, levels: npt.NDArray[np.int16]) -> Image:
    """Add to each value its own whole number of levels, clipped."""
    return cv2.add(image, levels, dtype=cv2.CV_8U)


def jpeg(image: Image, quality: int) -> Image:
    """The image after one JPEG round trip at `quality` (1 to 100), chroma subsampled 4:2:0."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def to_network_size(image: Image, resolution: int) -> Image:
    """An image (H, W, 3) as (R, R, 3), still uint8, in training as in evaluation.

    Another size is resized with cubic interpolation, as DeepfakeBench does, whose weights expect it also where an image
    shrinks.
    """
    if image.shape[:2] == (resolution, resolution):
        return image
    return cv2.resize(image, (resolution, resolution), interpolation=cv2.INTER_CUBIC)


def normalise(images: Image, mean: Triple, std: Triple) -> npt.NDArray[np.float32]:
    """Images (..., H, W, 3) uint8 as float32 of the same shape: (image / 255 - mean) / std for each channel.

    Some pixels at a time, which a core's cache holds until all three steps are done.
    """
    factor, offset = (np.tile(each, _PIXELS_AT_ONCE) for each in normalisation(mean, std))
    levels = images.reshape(-1)
    out = np.empty(levels.size, np.float32)
    for start in range(0, levels.size, factor.size):
        block = out[start : start + factor.size]
        block[...] = levels[start : start + factor.size]
        block *= factor[: block.size]
        block -= offset[: block.size]
    return out.reshape(images.shape)


def normalisation(mean: Triple, std: Triple) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A factor and an offset for each channel, both (3,): level * factor - offset is (level / 255 - mean) / std."""
    means, deviations = np.array(mean), np.array(std)
    return (1 / (255 * deviations)).astype(np.float32), (means / deviations).astype(np.float32)


def to_network_landmark(landmark: Landmark, height: int, width: int, resolution: int) -> Landmark:
    """Landmarks of a (height, width) crop in pixels of the network's input, where cv2.resize puts them."""
    scale = resolution / np.array([width, height])
    return ((landmark + 0.5) * scale - 0.5).astype(np.float32)


def to_network_mask(mask: Image, resolution: int) -> npt.NDArray[np.float32]:
    """A mask (H, W) of 0..255 as (1, R, R) float32 in [0, 1]; another size is resized linearly."""
    if mask.shape != (resolution, resolution):
        mask = cv2.resize(mask, (resolution, resolution), interpolation=cv2.INTER_LINEAR)
    return (mask[None] / np.float32(255)).astype(np.float32)


def _overlap(by: int, length: int) -> tuple[slice, slice]:
    """Where a line of pixels that is moved along itself meets its old place: in the new line, and in the old."""
    common = max(length - abs(by), 0)
    return slice(max(by, 0), max(by, 0) + common), slice(max(-by, 0), max(-by, 0) + common)


def _products(planes: Sequence[Image]) -> npt.NDArray[np.float64]:
    """(3, 3) sums over all pixels of the product of two channels, exact whole numbers.

    From sums of squares, as 2ab = a^2 + b^2 - (a - b)^2, which OpenCV adds up ten times as fast as products. A product
    of numpy's would start the threads of its BLAS, which get in the way of other loading processes and of the network.
    """
    squares = np.array([round(cv2.norm(plane, cv2.NORM_L2SQR)) for plane in planes])
    apart = np.array([[round(cv2.norm(one, other, cv2.NORM_L2SQR)) for one in planes] for other in planes])
    return (squares[:, None] + squares - apart) / 2


def _apply_curve(image: Image, curve: npt.NDArray[np.number]) -> Image:
    """Map an image or plane through a curve over 0..255: one for all channels, (256,), or one for each, (256, 3)."""
    table = np.clip(np.rint(curve), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, -1))
