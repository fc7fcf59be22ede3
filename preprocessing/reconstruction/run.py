"""Reconstruction of a preprocessed data set: its stored faces through the models, into the same store."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from config.errors import InputError
from preprocessing.clips import decode_image
from preprocessing.encodings import PNG
from preprocessing.reconstruction.reconstructor import Reconstructor
from preprocessing.reconstruction.stored import ReconstructionWriter, refuse_other_model
from preprocessing.rows import load_rows, spread
from preprocessing.samples import FIRST_FACES
from preprocessing.store import reconstruction_key

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """What became of a data set's faces.

    Attributes:
        faces: how many were looked at.
        made: reconstructions that were computed.
        broken: faces whose crop is missing in the store or cannot be decoded.
        seconds: that computing and storing took.
    """

    faces: int
    made: int
    broken: int
    seconds: float


def reconstruct(
    data: Path,
    dataset: str,
    reconstructors: Sequence[Reconstructor],
    *,
    split: str = "train",
    profile: str = "dfb",
    frames: int | None = None,
    compression: str | None = None,
    every_label: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reconstructed:
    """Reconstruct the stored real faces of a split, of each frame the first. Goes on where an earlier call stopped.

    What is made of one video is stored in one transaction.

    Args:
        data: folder of stores and manifests.
        dataset: a data set, or a part of one; the store is the whole's.
        reconstructors: one of each kind that is wanted.
        split: train, val or test.
        profile: name of the preprocessing profile.
        frames: at most so many frames of each video, spread as training spreads them; None for all.
        compression: only this level.
        every_label: fakes as well.
        overwrite: first delete what the stores have of these kinds, of all splits.
        on_progress: called with (faces done, faces in all).

    Raises:
        InputError: not preprocessed, no such faces, another model made what is there, or the store cannot be written.
    """
    rows = load_rows(data, dataset, split, profile=profile, compression=compression, only=FIRST_FACES)
    rows = rows if every_label else rows[rows["label"] == 0]
    rows = (rows if frames is None else spread(rows, frames)).drop_duplicates(["store_path", "key"])
    if not len(rows):
        raise InputError(f"no stored {'' if every_label else 'real '}face in split '{split}' of {dataset} below {data}")
    models = {one.kind: one.model for one in reconstructors}
    paths = [Path(path) for path in rows["store_path"].unique()]
    for path in paths:
        refuse_other_model(path, {} if overwrite else models)
    started, done, made, broken = time.monotonic(), 0, 0, 0
    for path in paths:
        writer = ReconstructionWriter(path, models, overwrite)
        try:
            for _, video in rows[rows["store_path"] == str(path)].groupby("video_id", sort=False):
                new, lost = _reconstruct_video(writer, video, reconstructors)
                made, broken, done = made + new, broken + lost, done + len(video)
                if on_progress:
                    on_progress(done, len(rows))
        finally:
            writer.close()
    return Reconstructed(len(rows), made, broken, time.monotonic() - started)


def _reconstruct_video(
    writer: ReconstructionWriter, rows: pd.DataFrame, reconstructors: Sequence[Reconstructor]
) -> tuple[int, int]:
    """Make what a video's faces lack; how many reconstructions that were, and how many faces could not be read."""
    values: dict[str, bytes] = {}
    broken = 0
    for key in rows["key"].tolist():
        kinds = writer.missing(key)
        if not kinds:
            continue
        stored = writer.value(key)
        bgr = None if stored is None else decode_image(np.frombuffer(stored, np.uint8))
        if bgr is None:
            log.warning("%s: %s is missing or cannot be decoded", writer.path, key)
            broken += 1
            continue
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        for one in reconstructors:
            if one.kind in kinds:
                values[reconstruction_key(key, one.kind)] = PNG.encode(cv2.cvtColor(one(rgb), cv2.COLOR_RGB2BGR))
    if values:
        writer.store(values)
    return len(values), broken
