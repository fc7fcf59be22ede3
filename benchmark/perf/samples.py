"""From a crop to a training sample: PNG, LMDB, reading, augmentation, and all that one process does for a sample."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from benchmark.perf.stage import Measured, Scale, Stage, medians, timed
from config.schema import Augmentation, DetectorConfig
from preprocessing.clips import Image
from preprocessing.samples import FaceSet
from preprocessing.store import FaceStoreWriter, encode_landmarks, landmarks_key
from training import RECIPE
from training.augment import COLOUR_PROB, JPEG_PROB, augment

BLUR, QUALITY = 5, 70  # the middle of what is drawn


def measure_samples(faces: FaceSet, config: DetectorConfig, folder: Path, scale: Scale) -> list[Stage]:
    """All stages of stored faces, in one process.

    Args:
        faces: stored faces.
        config: augmentation and size of the network's input.
        folder: where to write.
        scale: how much is measured.
    """
    samples = [faces.read(index) for index in range(len(faces))]
    crops = [cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGR) for sample in samples]
    files = [cv2.imencode(".png", crop)[1] for crop in crops]
    recipe, rng = RECIPE[config.dataset_type](faces, config), np.random.default_rng(0)
    writer = FaceStoreWriter(folder / "written", {})
    numbers, values = count(), _values([file.tobytes() for file in files])
    number = len(crops)

    def write(_: int) -> None:
        clip = str(next(numbers))
        writer.add(clip, {key.format(clip): value for key, value in values.items()}, [])

    parts = {name: timed(work, 1) for name, (_, work) in _bare_operations(crops[0], config.data_aug).items()}
    measured: dict[str, Measured] = {
        "png": timed(lambda _: [cv2.imencode(".png", crop) for crop in crops], number),
        "png bare": timed(lambda _: [cv2.imencode(".png", crop, _UNCOMPRESSED) for crop in crops], number),
        "lmdb": timed(write, number),
        "file": timed(lambda _: _write_file(folder / "written.bin", b"".join(values.values())), number),
        "read": timed(lambda _: [faces.read(index) for index in range(number)], number),
        "decode": timed(lambda _: [cv2.imdecode(file, cv2.IMREAD_COLOR) for file in files], number),
        "augment": timed(lambda _: [augment(sample, config.data_aug, rng) for sample in samples], number),
        "sample": timed(lambda _: [recipe.sample(index, rng) for index in range(number)], number),
    }
    try:
        found = medians(measured | parts, scale)
    finally:
        writer.close()
    bare = sum(share * found[name] for name, (share, _) in _bare_operations(crops[0], config.data_aug).items())
    side, tensor = f"{crops[0].shape[0]} px", f"{config.resolution} px"
    bare_sample = found["decode"] + (bare if config.use_data_augmentation else 0)
    calls = "OpenCV's own calls, each weighed by its probability"
    both = "PNG decoded from memory and OpenCV's calls of the augmentation"
    return [
        Stage("encode PNG", side, "crops", number, found["png"], "PNG without compression", found["png bare"]),
        Stage("write LMDB", side, "crops", number, found["lmdb"], "the same bytes in one file, synced", found["file"]),
        Stage("read", side, "crops", number, found["read"], "PNG decoded from memory", found["decode"]),
        Stage("augment", side, "crops", number, found["augment"], calls, bare),
        Stage("read, augment, convert", tensor, "samples", number, found["sample"], both, bare_sample),
    ]


_UNCOMPRESSED = [cv2.IMWRITE_PNG_COMPRESSION, 0]


def _values(files: list[bytes]) -> dict[str, bytes]:
    """Crops and landmarks of a clip, by key with a place for the clip's name."""
    landmarks = encode_landmarks(np.zeros((81, 2), np.int64))
    crops = {f"perf/frames/{{}}/{index:03}.png": file for index, file in enumerate(files)}
    return crops | {landmarks_key(key): landmarks for key in crops}


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _bare_operations(image: Image, settings: Augmentation) -> dict[str, tuple[float, Callable[[int], object]]]:
    """What the augmentation asks of OpenCV: how often, and what."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5.0, 1.0)
    curve = np.arange(256, dtype=np.uint8)

    def jpeg(_: int) -> object:
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1], cv2.IMREAD_COLOR)

    return {
        "flip": (settings.flip_prob, lambda _: cv2.flip(image, 1)),
        "rotate": (settings.rotate_prob, lambda _: cv2.warpAffine(image, turn, (width, height))),
        "blur": (settings.blur_prob, lambda _: cv2.GaussianBlur(image, (BLUR, BLUR), 0)),
        "colour": (COLOUR_PROB, lambda _: cv2.LUT(image, curve)),
        "jpeg": (JPEG_PROB, jpeg),
    }
