"""DeepfakeBench's training augmentation: its operations in its order, with its probabilities.

Flip, rotation, blur, one colour change, JPEG. Its isotropic resize brings a crop to the network's resolution; here
that happens once for all crops, in `preprocessing.operators.to_network_size`. Other than in DeepfakeBench, landmarks
and mask move with the image.
"""

from dataclasses import replace

import cv2
import numpy as np

from config.schema import Augmentation
from preprocessing import operators
from preprocessing.clips import Image
from preprocessing.margins import mirrored
from preprocessing.samples import Sample

HUE_LIMIT, SATURATION_LIMIT, VALUE_LIMIT = 20, 30, 20
PCA_DEVIATION = 0.1


def augment(sample: Sample, settings: Augmentation, rng: np.random.Generator) -> Sample:
    """A randomly changed copy of a face.

    Args:
        sample: image (H, W, 3) uint8 RGB, and landmark and mask where given.
        settings: probabilities and ranges.
        rng: source of all choices; they do not depend on the pixels, nor on whether landmark or mask are given.
    """
    if rng.random() < settings.flip_prob:
        sample = flip(sample)
    if rng.random() < settings.rotate_prob:
        sample = rotate(sample, rng.uniform(*settings.rotate_limit))
    image = sample.image
    if rng.random() < settings.blur_prob:
        image = _blur(image, settings, rng)
    if rng.random() < settings.colour_prob:
        image = _change_colour(image, settings, rng)
    if rng.random() < settings.jpeg_prob:
        quality = rng.integers(settings.quality_lower, settings.quality_upper, endpoint=True)
        image = operators.jpeg(image, int(quality))
    return replace(sample, image=image)


def flip(sample: Sample) -> Sample:
    """A face mirrored left-right, with landmark, mask and box."""
    width = sample.image.shape[1]
    return Sample(
        operators.flip(sample.image),
        None if sample.landmark is None else operators.flip_landmark(sample.landmark, width),
        None if sample.mask is None else operators.flip(sample.mask),
        None if sample.box is None else mirrored(sample.box, width),
    )


def rotate(sample: Sample, degrees: float) -> Sample:
    """A face turned about the centre of the crop, with landmark and mask."""
    height, width = sample.image.shape[:2]
    return Sample(
        operators.rotate(sample.image, degrees),
        None if sample.landmark is None else operators.rotate_landmark(sample.landmark, degrees, height, width),
        None if sample.mask is None else operators.rotate(sample.mask, degrees, cv2.INTER_NEAREST),
    )


def _blur(image: Image, settings: Augmentation, rng: np.random.Generator) -> Image:
    if settings.blur_sigma:
        return operators.gaussian_blur_of(image, rng.uniform(*settings.blur_sigma))
    return operators.gaussian_blur(image, _odd(rng.integers(*settings.blur_limit, endpoint=True)))


def _change_colour(image: Image, settings: Augmentation, rng: np.random.Generator) -> Image:
    """One of brightness and contrast, fancy PCA, or hue, saturation and value, equally likely."""
    kind = rng.integers(3)
    if kind == 0:
        brightness, contrast = rng.uniform(*settings.brightness_limit), rng.uniform(*settings.contrast_limit)
        return operators.brightness_contrast(image, brightness, contrast)
    if kind == 1:
        return operators.fancy_pca(image, rng.normal(0, PCA_DEVIATION, 3))
    limits = np.array([HUE_LIMIT, SATURATION_LIMIT, VALUE_LIMIT])
    return operators.hue_saturation(image, *rng.uniform(-limits, limits))


def _odd(size: np.integer) -> int:
    """A kernel size, made odd by adding 1: of 3 to 7, 5 and 7 come twice as often as 3."""
    return int(size) | 1
