"""The way in from DeepfakeBench: its JSON with its LMDB, which is read as it is, or with frames in folders."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from config.errors import InputError
from config.load import config_names, load_config
from config.schema import DatasetConfig, Profile
from preprocessing.clips import decode_image
from preprocessing.dfb_json import POOL_NAME, read_dfb_json
from preprocessing.dfb_labels import Labels
from preprocessing.dfb_lmdb import adopt_lmdb
from preprocessing.dfb_rows import Finder, Listing, list_rows
from preprocessing.faces import Skip
from preprocessing.manifest import Row, manifest_meta, write_manifest
from preprocessing.pipeline import STORE_FORMAT, manifest_path, store_name
from preprocessing.store import FaceStore, FaceStoreWriter, decode_landmarks, encode_landmarks, sibling_keys

IMPORTED = "imported"
Progress = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Imported:
    """A data set that came in: its name, its manifest, and what its JSON came to."""

    name: str
    manifest: Path
    listing: Listing


def unseen(_: str) -> AbstractContextManager[Progress]:
    """A stage of work whose progress nobody watches."""
    return nullcontext(lambda done, total: None)


def import_json(
    path: Path,
    data: Path,
    profile: Profile,
    labels: Labels,
    *,
    lmdb: Path | None = None,
    root: Path | None = None,
    stage: Stage = unseen,
) -> Imported:
    """Make a manifest of a DeepfakeBench JSON, over the LMDB or the folders that hold its frames.

    Args:
        path: the JSON.
        data: folder of stores and manifests.
        profile: the profile that the crops are filed under.
        labels: what class names mean.
        lmdb: the LMDB folder, which is read as it is; `adopt_lmdb` says how it comes into the data folder.
        root: instead a folder below which the frames are image files, which are stored; landmarks and masks come along
            where they lie beside the frames as DeepfakeBench lays them.
        stage: called with the name of a stage of the work, gives the callback for its (done, total).

    Raises:
        InputError: not one of `lmdb` and `root`; they hold none of the frames; the JSON or the LMDB is not what it
            should be; or there is a data set of that name that was made here.
    """
    if (lmdb is None) == (root is None):
        raise InputError("give the frames of the JSON by one of --lmdb (LMDB folder) and --root (folder of images)")
    name, videos = read_dfb_json(path)
    manifest = manifest_path(data, profile.name, name)
    if manifest.is_file() and IMPORTED not in manifest_meta(manifest):
        raise InputError(f"{manifest} was made by 'assay preprocess' and is kept; choose another --data")
    meta = _unknown_origin(name, profile)
    source = _InLmdb(lmdb, meta) if lmdb else _InFolders(root or Path(), name, meta)
    known = load_config(DatasetConfig, name) if name in config_names(DatasetConfig) else None
    levels = known.compressions if known else ()
    with stage(f"look up {path.name}") as report:
        listing = list_rows(name, videos, labels, source.finder, levels, report)
    if not listing.paths and not listing.missing:
        raise InputError(f"{path} lists no frame")
    if not listing.paths:
        missing = f"{len(listing.missing)} frames of {name}"
        raise InputError(f"none of the {missing} is in {source.where}, such as {listing.missing[0]}")
    with stage(f"store {name}") as report:
        rows, store = source.take(listing, manifest.parent, report)
    present = {video.class_name for video in videos}
    parts = {part: names for part, names in known.parts.items() if present.issuperset(names)} if known else {}
    meta = {**source.meta, "parts": parts, IMPORTED: path.name}
    write_manifest(manifest, (asdict(replace(row, store=store)) for row in rows), meta)
    return Imported(name, manifest, listing)


class _InLmdb:
    """Frames in an LMDB. What it says of itself, if it was written by an export, goes before what is assumed."""

    def __init__(self, lmdb: Path, assumed: Mapping[str, Any]) -> None:
        self.where = lmdb
        self._store = FaceStore(lmdb)
        self.meta = {**assumed, **self._store.meta()}
        self.finder = Finder(self._store.has)
        made_with, wanted = (dict(meta["profile"]).get("name") for meta in (self.meta, assumed))
        if made_with != wanted:
            raise InputError(
                f"the crops in {lmdb} are of profile '{made_with}', not '{wanted}'; choose it by --profile"
            )

    def take(self, listing: Listing, folder: Path, report: Progress) -> tuple[list[Row], str]:
        """The rows as they are, and the LMDB's path below the manifest's folder."""
        return [row for rows in listing.videos for row in rows], adopt_lmdb(self.where, folder, report)


class _InFolders:
    """Frames as image files below a folder."""

    def __init__(self, root: Path, name: str, meta: dict[str, Any]) -> None:
        if not root.is_dir():
            raise InputError(f"--root: no such folder: {root}")
        self.where = root.resolve()
        self.meta = meta
        self.finder = Finder(self._holds, anchors=(name, POOL_NAME))
        self._name = name

    def take(self, listing: Listing, folder: Path, report: Progress) -> tuple[list[Row], str]:
        """Store all frames; rows, with a reason for each frame that is no image, and the store's path."""
        if len(self.finder.dropped) > 1:
            one, two, *_ = sorted(self.finder.dropped)
            raise InputError(f"--root: what the JSON has below '{one}' and below '{two}' is all sought in {self.where}")
        store = store_name(self._name)
        writer = FaceStoreWriter(folder / store, self.meta)
        taken: list[Row] = []
        try:
            for done, rows in enumerate(listing.videos, 1):
                values, kept = self._read(rows, listing.paths)
                if kept:
                    writer.add(kept[0].video_id, values, [asdict(row) for row in kept])
                taken += kept
                report(done, len(listing.videos))
        finally:
            writer.close()
        return taken, store

    def _holds(self, path: str) -> bool:
        place = self.where / path
        if not os.path.isfile(place):
            return False
        if not place.resolve().is_relative_to(self.where):
            raise InputError(f"a frame path leaves its root by a link: {path}")
        return True

    def _read(self, rows: list[Row], paths: Mapping[str, str]) -> tuple[dict[str, bytes], list[Row]]:
        """A video's values by key, and its rows."""
        values: dict[str, bytes] = {}
        kept = []
        for row in rows:
            value = (self.where / paths[row.key]).read_bytes() if row.key else b""
            if row.key and decode_image(np.frombuffer(value, np.uint8)) is None:
                row = replace(row, face=-1, key="", skip=Skip.UNREADABLE_FRAME.value)
            elif row.key:
                values |= {row.key: value, **self._siblings(row.key, paths[row.key])}
            kept.append(row)
        return values, kept

    def _siblings(self, key: str, path: str) -> dict[str, bytes]:
        """Landmarks and mask of a frame, those that are there and whole."""
        values = {}
        for sibling, beside in zip(sibling_keys(key), sibling_keys(path), strict=False):
            if self._holds(beside):
                value = (self.where / beside).read_bytes()
                try:
                    values[sibling] = _landmarks(value) if sibling.endswith(".npy") else value
                except ValueError:
                    continue
        return values


def _landmarks(value: bytes) -> bytes:
    return encode_landmarks(decode_landmarks(value).astype(np.int64))


def _unknown_origin(name: str, profile: Profile) -> dict[str, Any]:
    """What a manifest says of crops that do not say themselves how they were made."""
    return {
        "format": STORE_FORMAT,
        "dataset": name,
        "profile": {"name": profile.name},
        "predictor": "not recorded",
        "predictor_sha256": "",
        "encoder": "png",
    }
