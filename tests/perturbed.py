"""Crops of perturbed frames as `assay perturb` would lay them into a store, of one grey each."""

import gc
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from preprocessing.perturbed.stored import LOST, PerturbedBy, PerturbedWriter
from preprocessing.views import Suite


def store_views(
    path: Path, suite: Suite, keys: Sequence[str], grey: int, codec: str = "x264", lost: Sequence[str] = ()
) -> None:
    """Perturbed crops of the faces `keys` made with `codec`, in place of what the store has of the suite."""
    gc.collect()  # a store that is read somewhere cannot be opened for writing
    writer = PerturbedWriter(path, suite.name, PerturbedBy(suite.sha256, codec), overwrite=True)
    crop = cv2.imencode(".png", np.full((32, 32, 3), grey, np.uint8))[1].tobytes()
    for key in keys:
        writer.store({suite.key_of(key, variant): LOST if key in lost else crop for variant in suite.variants[1:]})
    writer.close()
