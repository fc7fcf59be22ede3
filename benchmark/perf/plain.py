"""A plain loader, to compare the batch recipe with: the same samples, step by step as they are usually made.

A crop is decoded and converted to RGB; each augmentation is a step of its own, from image to image; then it is resized,
torchvision makes a tensor in [0, 1] of it and normalises it, and torch stacks a batch. All choices and formulas are
those of `training.augment`, drawn in the same order, so that the same generator gives the same pixels.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.functional import normalize, to_tensor

from config.schema import Augmentation, DetectorConfig
from preprocessing.clips import Image
from preprocessing.store import FaceStore
from training.augment import HUE_LIMIT, PCA_DEVIATION, SATURATION_LIMIT, VALUE_LIMIT

Rng = np.random.Generator


class PlainLoader:
    """Reads, augments and converts stored faces one after the other; images and labels alone.

    Args:
        rows: of a FaceSet.
        config: augmentation, size and normalisation of the network's input.
    """

    def __init__(self, rows: pd.DataFrame, config: DetectorConfig) -> None:
        self.keys, self.labels = rows["key"].tolist(), rows["label"].tolist()
        stores = {path: FaceStore(Path(path)) for path in rows["store_path"].unique()}
        self.stores = [stores[path] for path in rows["store_path"]]
        self.config = config

    def sample(self, index: int, rng: Rng) -> tuple[Tensor, int]:
        """Image (3, R, R) float32 and label of a face."""
        side = self.config.resolution
        value = self.stores[index].get(self.keys[index])
        image = cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if self.config.use_data_augmentation:
            image = augment(image, self.config.data_aug, rng)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        return normalize(to_tensor(image), self.config.mean, self.config.std), self.labels[index]

    def collate(self, samples: Sequence[tuple[Tensor, int]]) -> dict[str, Tensor]:
        """A batch: `image` (B, 3, R, R) and `label` (B,)."""
        images, labels = zip(*samples, strict=True)
        return {"image": torch.stack(images), "label": torch.tensor(labels)}


def augment(image: Image, settings: Augmentation, rng: Rng) -> Image:
    """DeepfakeBench's augmentation of an RGB image."""
    steps: list[tuple[float, Callable[[Image, Augmentation, Rng], Image]]] = [
        (settings.flip_prob, _flip),
        (settings.rotate_prob, _rotate),
        (settings.blur_prob, _blur),
        (settings.colour_prob, _change_colour),
        (settings.jpeg_prob, _jpeg),
    ]
    for probability, step in steps:
        if rng.random() < probability:
            image = step(image, settings, rng)
    return image


def _flip(image: Image, settings: Augmentation, rng: Rng) -> Image:
    return cv2.flip(image, 1)


def _rotate(image: Image, settings: Augmentation, rng: Rng) -> Image:
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, rng.uniform(*settings.rotate_limit), 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _blur(image: Image, settings: Augmentation, rng: Rng) -> Image:
    if settings.blur_sigma:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(*settings.blur_sigma))
    size = int(rng.integers(*settings.blur_limit, endpoint=True)) | 1
    return cv2.GaussianBlur(image, (size, size), 0)


def _change_colour(image: Image, settings: Augmentation, rng: Rng) -> Image:
    return (_brightness_contrast, _fancy_pca, _hue_saturation)[rng.integers(3)](image, settings, rng)


def _brightness_contrast(image: Image, settings: Augmentation, rng: Rng) -> Image:
    brightness, contrast = rng.uniform(*settings.brightness_limit), rng.uniform(*settings.contrast_limit)
    return cv2.LUT(image, _levels(np.arange(256) * (1 + contrast) + 255 * brightness))


def _fancy_pca(image: Image, settings: Augmentation, rng: Rng) -> Image:
    """On the image as floating point, as the libraries have it."""
    alphas, pixels = rng.normal(0, PCA_DEVIATION, 3), image.astype(np.float64) / 255
    values, vectors = np.linalg.eigh(np.cov(pixels.reshape(-1, 3), rowvar=False, bias=True))
    vectors *= np.copysign(1.0, vectors.sum(axis=0))
    return _levels(255 * (pixels + vectors @ (alphas * values)))


def _hue_saturation(image: Image, settings: Augmentation, rng: Rng) -> Image:
    limits = np.array([HUE_LIMIT, SATURATION_LIMIT, VALUE_LIMIT])
    hue, saturation, value = rng.uniform(-limits, limits)
    levels, planes = np.arange(256), cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    curves = ((levels + round(hue)) % 180, levels + saturation, levels + value)
    changed = [cv2.LUT(plane, _levels(curve)) for plane, curve in zip(planes, curves, strict=True)]
    return cv2.cvtColor(cv2.merge(changed), cv2.COLOR_HSV2RGB)


def _jpeg(image: Image, settings: Augmentation, rng: Rng) -> Image:
    quality = int(rng.integers(settings.quality_lower, settings.quality_upper, endpoint=True))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _levels(values: npt.NDArray[np.number]) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
