"""From a crop to a batch: PNG, LMDB, reading, augmentation, and all that is done for a batch, beside a plain loader."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmark.perf.plain import PlainLoader
from benchmark.perf.stage import Measured, Scale, Stage, medians, timed
from config.schema import Augmentation, DetectorConfig
from preprocessing.clips import Image
from preprocessing.samples import FaceSet
from preprocessing.store import FaceStore, FaceStoreWriter, encode_landmarks, landmarks_key
from preprocessing.tensors import CPU, to_network
from training import RECIPE
from training.augment import augment
from training.recipes import Recipe

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
    rng = np.random.default_rng(0)
    writer = FaceStoreWriter(folder / "written", {})
    numbers, values = count(), _values([file.tobytes() for file in files])
    number = len(crops)

    def write(_: int) -> None:
        clip = str(next(numbers))
        writer.add(clip, {key.format(clip): value for key, value in values.items()}, [])

    bare = _bare_operations(crops[0], config.data_aug)
    measured: dict[str, Measured] = {
        "png": timed(lambda _: [cv2.imencode(".png", crop) for crop in crops], number),
        "png bare": timed(lambda _: [cv2.imencode(".png", crop, _UNCOMPRESSED) for crop in crops], number),
        "lmdb": timed(write, number),
        "file": timed(lambda _: _write_file(folder / "written.bin", b"".join(values.values())), number),
        "read": timed(lambda _: [faces.read(index) for index in range(number)], number),
        "decode": timed(lambda _: [cv2.imdecode(file, cv2.IMREAD_COLOR) for file in files], number),
        "augment": timed(lambda _: [augment(sample, config.data_aug, rng) for sample in samples], number),
    }
    try:
        found = medians(measured | {name: timed(work, 1) for name, (_, work) in bare.items()}, scale)
    finally:
        writer.close()
    side, calls = f"{crops[0].shape[0]} px", "OpenCV's own calls, each weighed by its probability"
    return [
        Stage("encode PNG", side, "crops", number, found["png"], "PNG without compression", found["png bare"]),
        Stage("write LMDB", side, "crops", number, found["lmdb"], "the same bytes in one file, synced", found["file"]),
        Stage("read", side, "crops", number, found["read"], "PNG decoded from memory", found["decode"]),
        Stage("augment", side, "crops", number, found["augment"], calls, _weighed(bare, found)),
    ]


def measure_batches(faces: Mapping[str, FaceSet], config: DetectorConfig, scale: Scale) -> list[Stage]:
    """From stores to a batch for a detector, in one process: by the batch recipe `frames`, and by a plain loader.

    Args:
        faces: the same stored faces by the encoding of their store.
        config: augmentation and size of the network's input.
        scale: how much is measured.
    """
    absent = {"with_landmark": False, "with_mask": False, "pseudofake": None}  # which the plain loader has not
    config = config.model_copy(update=absent)
    number = len(next(iter(faces.values())))
    bare = _bare_operations(next(iter(faces.values())).read(0).image, config.data_aug)
    measured = {name: timed(work, 1) for name, (_, work) in bare.items()}
    for encoding, stored in faces.items():
        ways = RECIPE["frames"](stored, config), PlainLoader(stored.rows, config)
        measured |= {
            f"{encoding} decode": timed(partial(_decode_all, stored_files(stored)), number),
            f"{encoding} recipe": timed(partial(_recipe_batch, ways[0], number), number),
            f"{encoding} plain": timed(partial(_plain_batch, ways[1], number), number),
        }
    with threadpool_limits(1):  # as in a loading process; numpy's covariance would take all cores as well
        found = medians(measured, scale)
    augmentation = _weighed(bare, found) if config.use_data_augmentation else 0.0
    return [
        Stage(
            f"{encoding.upper()} to batch {way}",
            f"{config.resolution} px",
            "samples",
            number,
            found[f"{encoding} {way}"],
            "decoding from memory, and OpenCV's calls of the augmentation",
            found[f"{encoding} decode"] + augmentation,
        )
        for encoding in faces
        for way in ("recipe", "plain")
    ]


def _recipe_batch(recipe: Recipe, number: int, turn: int) -> object:
    samples = [recipe.sample(index, np.random.default_rng([turn, index])) for index in range(number)]
    return to_network(recipe.collate(samples), recipe.config, CPU)


def _plain_batch(loader: PlainLoader, number: int, turn: int) -> object:
    return loader.collate([loader.sample(index, np.random.default_rng([turn, index])) for index in range(number)])


def stored_files(faces: FaceSet) -> list[npt.NDArray[np.uint8]]:
    """The files of all crops, as they are stored."""
    stores = {path: FaceStore(Path(path)) for path in faces.rows["store_path"].unique()}
    pairs = faces.rows[["store_path", "key"]].itertuples(index=False)
    return [np.frombuffer(stores[path].get(key), np.uint8) for path, key in pairs]


def _decode_all(files: list[npt.NDArray[np.uint8]], _: int) -> object:
    return [cv2.imdecode(file, cv2.IMREAD_COLOR) for file in files]


def _weighed(bare: Mapping[str, tuple[float, object]], found: Mapping[str, float]) -> float:
    """Seconds of OpenCV's calls for a sample."""
    return sum(share * found[name] for name, (share, _) in bare.items())


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
        "colour": (settings.colour_prob, lambda _: cv2.LUT(image, curve)),
        "jpeg": (settings.jpeg_prob, jpeg),
    }
