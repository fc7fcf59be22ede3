"""A data set D of a few faces, fakes brighter than reals, for runs in which the faces do not matter."""

from pathlib import Path

import cv2
import numpy as np

from preprocessing.manifest import write_manifest
from preprocessing.pipeline import manifest_path
from preprocessing.store import FaceStoreWriter
from tests.evaluation.test_scoring import META
from tests.preprocessing.test_manifest import row


def write_small_set(folder: Path) -> Path:
    """Write 13 faces of 32 pixels in each split of D, below a data folder; the folder."""
    path = manifest_path(folder, "dfb", "D")
    writer = FaceStoreWriter(path.with_name("D_lmdb"), META)
    rng, rows = np.random.default_rng(0), []
    for split in ("train", "val", "test"):
        for number in range(13):
            name, label = f"{split}{number}", number % 2
            rows.append(row(name, 0, label=label, split=split))
            image = rng.integers(0, 120, (32, 32, 3)) + 100 * label
            writer.add(name, {rows[-1]["key"]: cv2.imencode(".png", image.astype(np.uint8))[1].tobytes()}, [])
    writer.close()
    write_manifest(path, rows, {**META, "predictor": "none"})
    return folder
