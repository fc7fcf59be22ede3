"""A small FaceForensics++ as it is stored here, and a reader that looks things up as DeepfakeBench's loader does."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import lmdb
import numpy as np
import numpy.typing as npt

from preprocessing.manifest import Row, write_manifest
from preprocessing.pipeline import manifest_path, store_name
from preprocessing.store import FaceStoreWriter, encode_landmarks, landmarks_key, mask_key

META = {
    "format": 1,
    "dataset": "FaceForensics++",
    "profile": {"name": "dfb", "scale": 1.3},
    "parts": {"FaceForensics++": ["FF-real", "FF-DF", "FF-NT"], "FF-NT": ["FF-real", "FF-NT"]},
    "predictor": "a predictor",
    "predictor_sha256": "ab",
    "encoder": "png",
}
FOLDERS = {
    "FF-real": "original_sequences/youtube",
    "FF-DF": "manipulated_sequences/Deepfakes",
    "FF-NT": "manipulated_sequences/NeuralTextures",
}
METHODS = {"FF-real": "real", "FF-DF": "Deepfakes", "FF-NT": "NeuralTextures"}
SPLITS = {"000": "train", "001": "val", "002": "test"}
FRAMES = (0, 12, 100)
SIDE = 24


def png(image: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def ffpp_rows(level: str = "c23", dataset: str = "FaceForensics++") -> list[Row]:
    """Three videos of each class with three frames each, the last of which has no face."""
    rows = []
    for class_name, folder in FOLDERS.items():
        for identity, split in SPLITS.items():
            video = identity if class_name == "FF-real" else f"{identity}_009"
            for frame in FRAMES:
                there = frame != FRAMES[-1]
                rows.append(
                    Row(
                        dataset=dataset,
                        split=split,
                        label=int(class_name != "FF-real"),
                        class_name=class_name,
                        method=METHODS[class_name],
                        compression=level,
                        video_id=f"{dataset}/{class_name}/{level}/{folder}/{level}/videos/{video}",
                        media="video",
                        identity_target=identity,
                        identity_source="",
                        store=store_name(dataset),
                        source_path=f"{folder}/{level}/videos/{video}.mp4",
                        sha1="",
                        frame=frame,
                        face=0 if there else -1,
                        key=f"{dataset}/{folder}/{level}/frames/{video}/{frame:03d}.png" if there else "",
                        skip="" if there else "no face",
                    )
                )
    return rows


def write_ffpp(
    data: Path,
    seed: int = 0,
    dataset: str = "FaceForensics++",
    levels: tuple[str, ...] = ("c23",),
    profile: str = "dfb",
) -> None:
    """Its FaceStore and manifest, with random pixels, landmarks in and around the crop, and masks of the fakes."""
    rng = np.random.default_rng(seed)
    manifest = manifest_path(data, profile, dataset)
    meta = META | {"dataset": dataset}
    writer = FaceStoreWriter(manifest.parent / store_name(dataset), meta)
    rows = [row for level in levels for row in ffpp_rows(level, dataset)]
    for row in (row for row in rows if row.key):
        values = {row.key: png(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))}
        values[landmarks_key(row.key)] = encode_landmarks(rng.integers(-9, SIDE + 9, (81, 2)))
        if row.label:
            values[mask_key(row.key)] = png(rng.choice([0, 255], (SIDE, SIDE)).astype(np.uint8))
        writer.add(row.video_id, values, [])
    writer.close()
    write_manifest(manifest, map(asdict, rows), meta)


@dataclass(frozen=True)
class Loaded:
    """A sample as DeepfakeBench's loader would give it."""

    video: str
    frame: int
    label: int
    image: npt.NDArray[np.uint8]
    landmark: npt.NDArray[np.uint32] | None
    mask: npt.NDArray[np.uint8] | None


POOL = {"FaceForensics++", "FF-DF", "FF-F2F", "FF-FS", "FF-NT", "FaceShifter", "DeepFakeDetection"}


def load_as_deepfakebench(
    folder: Path, name: str, mode: str, label_dict: dict[str, int], compression: str = "c23"
) -> Iterator[Loaded]:
    """What DeepfakeBench reads of NAME.json and its LMDB: keys are the JSON's paths, siblings their replacements."""
    document = json.loads((folder / f"{name}.json").read_text())
    lmdb_name = "FaceForensics++_lmdb" if name in POOL else f"{name}_lmdb"
    with lmdb.open(str(folder / lmdb_name), readonly=True, lock=False) as env, env.begin() as txn:
        for splits in document[name].values():
            videos = splits[mode][compression] if name in POOL else splits[mode]
            for listed in videos.values():
                separator = "\\" if "\\" in listed["frames"][0] else "/"
                for path in sorted(listed["frames"], key=lambda path: int(path.split(separator)[-1].split(".")[0])):
                    key = path.removeprefix(".\\datasets\\").removeprefix("./datasets\\")
                    yield Loaded(
                        path.split(separator)[-2],
                        int(path.split(separator)[-1].split(".")[0]),
                        label_dict[listed["label"]],
                        decode(txn.get(key.encode()), cv2.IMREAD_COLOR),
                        points(txn.get(key.replace("frames", "landmarks").replace(".png", ".npy").encode())),
                        decode(txn.get(key.replace("frames", "masks").encode()), cv2.IMREAD_GRAYSCALE),
                    )


def decode(value: bytes | None, flags: int) -> npt.NDArray[np.uint8] | None:
    return None if value is None else cv2.imdecode(np.frombuffer(value, np.uint8), flags)


def points(value: bytes | None) -> npt.NDArray[np.uint32] | None:
    return None if value is None else np.frombuffer(value, np.uint32).reshape(81, 2)
