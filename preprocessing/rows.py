"""Manifest rows to work on: of a split, a data set or a part of one, with the stores that hold their faces."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from config.errors import InputError
from preprocessing.clips import choose_frames
from preprocessing.manifest import Filter, manifest_meta, read_manifest
from preprocessing.parts import Source, find_source
from preprocessing.store import DECISIVE, FaceStore

log = logging.getLogger(__name__)


def load_rows(
    data: Path,
    dataset: str,
    split: str,
    *,
    profile: str = "dfb",
    compression: str | None = None,
    only: Sequence[Filter] = (),
) -> pd.DataFrame:
    """Manifest rows of one split of a data set or a part of one, with the column `store_path`.

    The column `dataset` holds the name that was asked for; video ids stay the whole data set's.

    Args:
        data: folder of stores and manifests.
        dataset: name.
        split: train, val or test.
        profile: name of the preprocessing profile.
        compression: only this level; None for all. A level in the data set's name goes before it.
        only: further conditions on the rows, as for read_manifest.

    Raises:
        InputError: the data set is not preprocessed, has no such split or compression level, or a store beside its
            manifest is missing or was made in another way.
    """
    source = find_source(data, dataset, profile)
    path, compression = source.manifest, source.compression or compression
    part: list[Filter] = [("class_name", "in", source.classes)] if source.classes else []
    chosen = [*part, ("split", "==", split)]
    if compression:
        chosen.append(("compression", "in", [compression, ""]))
    rows = read_manifest(path, filters=[*chosen, *only])
    if not len(rows) and not len(read_manifest(path, ["split"], chosen)):
        every = read_manifest(path, ["split", "compression"], part)
        splits = ", ".join(sorted(filter(None, every["split"].unique())))
        levels = ", ".join(sorted(filter(None, every["compression"].unique()))) or "none"
        level = f" at compression {compression}" if compression else ""
        raise InputError(
            f"{dataset} has nothing in split '{split}'{level}; it has splits {splits}, compression {levels}"
        )
    _say_missing(source, dataset, split, rows)
    stores = {store: _inside(path.parent, store) for store in rows["store"].unique()}
    made_by = manifest_meta(path)
    for store in stores.values():
        _refuse_strange_store(FaceStore(store), made_by, path)
    paths = rows["store"].astype("category").map({name: str(store) for name, store in stores.items()})
    return rows.assign(dataset=dataset, store_path=paths)


def splits_of(data: Path, dataset: str, profile: str = "dfb") -> list[str]:
    """The splits that a data set or a part of one has anything in.

    Raises:
        InputError: it is not preprocessed.
    """
    source = find_source(data, dataset, profile)
    part: list[Filter] = [("class_name", "in", source.classes)] if source.classes else []
    return sorted(filter(None, read_manifest(source.manifest, ["split"], part)["split"].unique()))


def spread(rows: pd.DataFrame, frames: int, *, first: bool = False) -> pd.DataFrame:
    """At most `frames` frames of each video, all faces of a frame kept.

    Args:
        rows: manifest rows of stored faces.
        frames: how many frames.
        first: take the first ones, as DeepfakeBench does, and not an even spread over those given.
    """
    number = rows.groupby(["video_id", "frame"], sort=False).ngroup().to_numpy()
    firsts = np.unique(number, return_index=True)[1]
    video = pd.factorize(rows["video_id"].iloc[firsts])[0]
    place = pd.Series(video).groupby(video).cumcount().to_numpy()
    lengths, kind = np.unique(np.bincount(video), return_inverse=True)
    taken = np.zeros((len(lengths), lengths.max(initial=0)), bool)
    for row, n in zip(taken, lengths.tolist(), strict=True):
        row[np.array(range(n)[:frames] if first else choose_frames(n, frames))] = True
    kept = taken[kind[video], place][number]
    return (rows if kept.all() else rows[kept]).reset_index(drop=True)


def _say_missing(source: Source, dataset: str, split: str, rows: pd.DataFrame) -> None:
    """Warn of classes of a part that are not there; without any real or any fake it is of no use."""
    missing = [name for name in source.classes or () if name not in set(rows["class_name"].unique())]
    if missing and rows["label"].nunique() < 2 and not _holds(source, missing):
        raise InputError(
            f"{dataset} needs {', '.join(missing)}, of which there is nothing in {source.manifest.name}; "
            "was its folder there when it was preprocessed?"
        )
    if missing:
        log.warning("%s: nothing of %s in split '%s'", dataset, ", ".join(missing), split)


def _holds(source: Source, classes: Sequence[str]) -> bool:
    """Whether a manifest has anything of some classes, in any split."""
    return len(read_manifest(source.manifest, ["class_name"], [("class_name", "in", classes)])) > 0


def _refuse_strange_store(store: FaceStore, made_by: Mapping[str, Any], manifest: Path) -> None:
    """Crops of another profile or predictor than the manifest's; DeepfakeBench's LMDBs do not say what they are."""
    meta = store.meta()
    for entry in DECISIVE if meta else ():
        if meta.get(entry) != made_by.get(entry):
            raise InputError(
                f"{store.path} does not belong to {manifest.name}: it was made with another {entry.replace('_', ' ')} "
                f"({meta.get(entry)}, the manifest says {made_by.get(entry)})"
            )


def _inside(folder: Path, name: str) -> Path:
    """A path that a data file names, refused if it leaves its folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"the manifest in {folder} names a store outside of it: {name}")
    return path
