"""What a score table already has before it is complete: scores chunk by chunk, so that a killed evaluation goes on."""

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

from config.files import atomic_path, sweep

Scores = npt.NDArray[np.float64]
FEWEST_CHUNKS, LARGEST_CHUNK = 64, 1024
_STORED = np.dtype("<f8")


def chunk_size(faces: int, batch_size: int) -> int:
    """Faces of one chunk: a multiple of the batch size, small enough to share the work out and to lose little of it."""
    wanted = min(math.ceil(faces / FEWEST_CHUNKS), LARGEST_CHUNK)
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
    """Finished chunks in the folder `.NAME.parts` beside the table NAME, one file of float64 for each.

    The chunks lie in a folder that is named by the fingerprint of what decides their scores, so that those of other
    weights, faces or settings are never taken for these.

    Attributes:
        table: the score table to be.
        key: the fingerprint.
    """

    table: Path
    key: str

    @property
    def folder(self) -> Path:
        """Where the chunks of all fingerprints lie."""
        return self.table.with_name(f".{self.table.name}.parts")

    def resume(self, lengths: Sequence[int]) -> dict[int, Scores]:
        """The scores of the finished chunks by their number, NaN where a face is broken.

        Chunks of other fingerprints are removed, and so is what a killed process left half written.

        Args:
            lengths: the faces of each chunk.
        """
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.name != self.key:
                shutil.rmtree(folder, ignore_errors=True)
        sweep(self.folder / self.key)
        sweep(self.table.parent)
        files = {number: self._file(number) for number in range(len(lengths))}
        found = {number: np.fromfile(file, _STORED) for number, file in files.items() if file.is_file()}
        return {number: scores for number, scores in found.items() if len(scores) == lengths[number]}

    def write(self, chunk: int, scores: Scores) -> None:
        """Keep the scores of a chunk.

        Raises:
            InputError: the file cannot be written.
        """
        with atomic_path(self._file(chunk)) as scratch:
            scratch.write_bytes(scores.astype(_STORED).tobytes())

    def remove(self) -> None:
        """Remove all chunks: the table is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, chunk: int) -> Path:
        return self.folder / self.key / f"{chunk:05}.f64"
