"""Faces with landmarks, videos and identities, as from a FaceStore: noise, with one still's landmarks."""

import functools
import hashlib
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd

from config.load import load_config
from config.schema import Profile
from preprocessing.faces import Face, FaceCropper
from preprocessing.landmarks import find_predictor
from preprocessing.samples import Sample
from preprocessing.search import Box
from tests.faces import still

SIDE = 96


@functools.cache
def landmarks() -> np.ndarray:
    """(81, 2) landmarks of a still's aligned crop, of `SIDE` pixels."""
    profile = load_config(Profile, "dfb").model_copy(update={"mode": "fast"})
    face = FaceCropper(profile, find_predictor(environ={})).crop(still())
    assert isinstance(face, Face)
    return (face.landmarks * SIDE / 256).astype(np.float32)


def make_rows(people: int = 4, frames: int = 3, fakes: bool = True) -> pd.DataFrame:
    """A video for each person, and one of each with the next one's face, of FaceForensics++'s kind."""
    rows = []
    for person in range(people):
        target, source = f"{person:03}", f"{(person + 1) % people:03}"
        rows += [(0, f"FF/real/{target}", target, "", frame) for frame in range(0, 10 * frames, 10)]
        if fakes:
            rows += [(1, f"FF/DF/{target}_{source}", target, source, frame) for frame in range(1, 10 * frames, 10)]
    columns = ["label", "video_id", "identity_target", "identity_source", "frame"]
    return pd.DataFrame(rows, columns=columns).assign(compression="c23")


@dataclass
class PortraitFaces:
    """Noise around landmarks that differ a little from face to face; a reconstruction is grey."""

    rows: pd.DataFrame = field(default_factory=make_rows)
    is_loose: bool = False

    @property
    def labels(self) -> np.ndarray:
        return self.rows["label"].to_numpy(np.int64)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.labels.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> Sample:
        shape = (SIDE + index, SIDE + 2 * index) if self.is_loose else (SIDE, SIDE)
        noise = np.random.default_rng(index).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        image = cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_LINEAR)
        box = Box(20, 15, 70, 85, 1.0) if self.is_loose else None
        return Sample(image, self.landmarks(index), np.full(shape, self.labels[index] * 255, np.uint8), box)

    def landmarks(self, index: int) -> np.ndarray:
        return landmarks() + np.random.default_rng([index, 1]).normal(0, 0.5, (81, 2)).astype(np.float32)

    def reconstruction(self, index: int, kind: str) -> np.ndarray:
        level = {"autoencoder": 100, "super_resolution": 200}[kind]
        return np.full((*self.read(index).image.shape[:2], 3), level, np.uint8)
