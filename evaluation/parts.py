"""What a score table already has before it is complete, chunk by chunk, so that a killed evaluation goes on."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from config.errors import InputError
from config.files import atomic_path, sweep
from evaluation.features import FeatureArray

Scores = npt.NDArray[np.float64]
FEWEST_CHUNKS, LARGEST_CHUNK = 64, 1024
_STORED = np.dtype("<f8")


def chunk_size(faces: int, batch_size: int, views: int = 1) -> int:
    """Faces of one chunk: a multiple of the batch size, small enough to share the work out and to lose little of it.

    Args:
        faces: in all.
        batch_size: faces of a batch.
        views: of each face.
    """
    wanted = min(math.ceil(faces / FEWEST_CHUNKS), math.ceil(LARGEST_CHUNK / views))
    return math.ceil(wanted / batch_size) * batch_size


def fingerprint(detector: nn.Module, about: Mapping[str, Any]) -> str:
    """Hash of a network's class and state and of whatever else decides the scores, in hexadecimal.

    Args:
        detector: the network, weights loaded.
        about: names and values that JSON can hold.
    """
    digest = hashlib.sha256(json.dumps([type(detector).__qualname__, about], sort_keys=True).encode())
    for name, tensor in detector.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Parts:
    """Finished chunks in the folder `.NAME.parts` beside the table NAME: for each a file of its scores as float64, and
    if wanted an NPY file of its features.

    The chunks lie in a folder that is named by the fingerprint of what decides their scores, so that those of other
    weights, faces or settings are never taken for these.

    Attributes:
        table: the score table to be.
        key: the fingerprint.
        with_features: whether a chunk is finished only with its features.
    """

    table: Path
    key: str
    with_features: bool = False

    @property
    def folder(self) -> Path:
        """Where the chunks of all fingerprints lie."""
        return self.table.with_name(f".{self.table.name}.parts")

    def resume(self, shapes: Sequence[tuple[int, ...]]) -> dict[int, Scores]:
        """The scores of the finished chunks by their number, NaN where a face is broken.

        Chunks of other fingerprints are removed, and so is what a killed process left half written.

        Args:
            shapes: faces and views of each chunk.
        """
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.name != self.key:
                shutil.rmtree(folder, ignore_errors=True)
        sweep(self.folder / self.key)
        sweep(self.table.parent)
        files = {number: self._file(number) for number in range(len(shapes))}
        found = {number: np.fromfile(file, _STORED) for number, file in files.items() if file.is_file()}
        return {
            number: scores.reshape(shapes[number])
            for number, scores in found.items()
            if scores.size == math.prod(shapes[number]) and self._has_features(number, scores)
        }

    def write(self, chunk: int, scores: Scores, features: Sequence[FeatureArray] = ()) -> None:
        """Keep a chunk.

        Args:
            chunk: its number.
            scores: (faces, views).
            features: those of its readable faces in parts, each (views, D).

        Raises:
            InputError: a file cannot be written.
        """
        if self.with_features:
            together = np.concatenate(features) if features else np.empty((0, 0), np.float32)
            with atomic_path(self._feature_file(chunk)) as scratch, scratch.open("wb") as file:
                np.save(file, together)
        with atomic_path(self._file(chunk)) as scratch:
            scratch.write_bytes(scores.astype(_STORED).tobytes())

    def features(self, chunk: int) -> FeatureArray:
        """The features (N, D) float32 of a finished chunk; of one without a readable face (0, 0).

        Raises:
            InputError: they are not there, since the process that made them writes elsewhere.
        """
        try:
            features: FeatureArray = np.load(self._feature_file(chunk))
        except (OSError, ValueError, EOFError) as error:
            file = self._feature_file(chunk)
            raise InputError(f"cannot read {file}: processes that write features together need one folder") from error
        return features

    def _has_features(self, chunk: int, scores: Scores) -> bool:
        """Whether a chunk's features are there, as many as scores, if they are wanted."""
        if not self.with_features:
            return True
        try:
            return len(np.load(self._feature_file(chunk), mmap_mode="r")) == np.count_nonzero(~np.isnan(scores))
        except (OSError, ValueError, EOFError):
            return False

    def remove(self) -> None:
        """Remove all chunks: the table is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, chunk: int) -> Path:
        return self.folder / self.key / f"{chunk:05}.f64"

    def _feature_file(self, chunk: int) -> Path:
        return self.folder / self.key / f"{chunk:05}.npy"
