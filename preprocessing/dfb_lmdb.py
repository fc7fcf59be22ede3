"""DeepfakeBench's LMDB: written for its loader, and taken into the data folder as it is."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from config.errors import InputError
from config.files import atomic_folder
from preprocessing.dfb_json import POOL, POOL_NAME, spell
from preprocessing.store import (
    DECISIVE,
    META_KEY,
    FaceStore,
    decode_landmarks,
    encode_keys,
    meta_bytes,
    open_to_write,
    put,
    sibling_keys,
)

BATCH_BYTES = 1 << 25
COPY_BYTES = 1 << 24
LANDMARKS = "landmarks as 32-bit integers without header"
Progress = Callable[[int, int], None]


def dfb_lmdb_name(dataset: str) -> str:
    """The folder in which DeepfakeBench's loader looks for a data set."""
    return f"{POOL_NAME if dataset in POOL else dataset}_lmdb"


def dfb_meta(metas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What an exported LMDB says of itself, from what the data sets' manifests say (name -> meta).

    DeepfakeBench asks for nothing but frames and passes it over.

    Raises:
        InputError: the data sets were made in different ways, so that they cannot share an LMDB.
    """
    (first, meta), *others = metas.items()
    for name, other in others:
        for entry in DECISIVE:
            if entry != "dataset" and meta.get(entry) != other.get(entry):
                raise InputError(
                    f"{name} was made with another {entry.replace('_', ' ')} than {first}: export it apart"
                )
    crops, _, _ = str(meta["encoder"]).partition(",")
    return {**meta, "encoder": f"{crops}, {LANDMARKS}"}


def write_dfb_lmdb(
    path: Path, rows: pd.DataFrame, meta: Mapping[str, Any], separator: str, on_progress: Progress | None = None
) -> None:
    """Write crops, landmarks and masks under the keys that the JSON of the same rows has as paths.

    Values are written in transactions of some megabytes into a scratch folder, which becomes `path` at the end.

    Args:
        path: the LMDB folder to be made.
        rows: manifest rows of stored faces, with `store_path`.
        meta: what the LMDB says of itself.
        separator: what stands between the folders of a key.
        on_progress: called with (faces done, faces in all).

    Raises:
        InputError: the folder is there already or cannot be written, a stored face is missing or damaged, or two faces
            have the same key.
    """
    rows = rows.drop_duplicates(["key", "store_path"])
    twice = rows["key"].duplicated()
    if twice.any():
        raise InputError(f"two faces have the same key: {rows.loc[twice, 'key'].iloc[0]}; export the data sets apart")
    with atomic_folder(path) as scratch:
        env = open_to_write(scratch)
        try:
            entries, size = {META_KEY: meta_bytes(meta)}, 0
            for done, values in enumerate(_values(rows), 1):
                entries.update(encode_keys({spell(key, separator): value for key, value in values.items()}))
                size += sum(map(len, values.values()))
                if size > BATCH_BYTES or done == len(rows):
                    put(env, scratch, entries)
                    entries, size = {}, 0
                    if on_progress:
                        on_progress(done, len(rows))
        finally:
            env.close()


def adopt_lmdb(source: Path, folder: Path, on_progress: Progress | None = None) -> str:
    """Bring an LMDB below a folder of manifests, unchanged, under its own name.

    Its one file is linked there, which costs neither time nor space; from another disk it is copied. A link to the
    folder would not do: a manifest may only name stores inside its folder.

    Args:
        source: the LMDB folder.
        folder: where the manifest is.
        on_progress: called with (MiB copied, MiB in all), if it has to be copied.

    Returns:
        The store's path relative to `folder`.

    Raises:
        InputError: no LMDB, or another store of that name is there.
    """
    FaceStore(source).meta()
    source = source.resolve()
    if source.is_relative_to(folder.resolve()):
        return source.relative_to(folder.resolve()).as_posix()
    file, place = (source / "data.mdb").resolve(), folder / source.name
    if place.exists():
        if not _is_same(file, place / "data.mdb"):
            raise InputError(f"{place} is there already and is another store; choose another --data")
        return place.name
    with atomic_folder(place) as scratch:
        try:
            os.link(file, scratch / "data.mdb")
        except OSError:
            _copy(file, scratch / "data.mdb", on_progress)
    return place.name


def _values(rows: pd.DataFrame) -> Iterator[dict[str, bytes]]:
    """What is stored of each face, with landmarks as DeepfakeBench writes them."""
    stores = {path: FaceStore(Path(path)) for path in rows["store_path"].unique()}
    for key, store_path in zip(rows["key"], rows["store_path"], strict=True):
        store = stores[store_path]
        try:
            values = {key: store.get(key)}
            for sibling in sibling_keys(key):
                if store.has(sibling):
                    value = store.get(sibling)
                    values[sibling] = _headerless(value) if sibling.endswith(".npy") else value
        except KeyError:
            raise InputError(f"{store_path} has no value under {key}, which its manifest names") from None
        except ValueError as error:
            raise InputError(f"{store_path}: {key}: {error}") from None
        yield values


def _headerless(value: bytes) -> bytes:
    return decode_landmarks(value).astype(np.int32).tobytes()


def _is_same(first: Path, second: Path) -> bool:
    """The same file, or a copy made by `_copy`, which keeps the time of the last change."""
    if not second.is_file():
        return False
    one, two = first.stat(), second.stat()
    return first.samefile(second) or (one.st_size, one.st_mtime_ns) == (two.st_size, two.st_mtime_ns)


def _copy(source: Path, target: Path, on_progress: Progress | None) -> None:
    total = source.stat().st_size
    with source.open("rb") as file, target.open("wb") as copy:
        while chunk := file.read(COPY_BYTES):
            copy.write(chunk)
            if on_progress:
                on_progress(copy.tell() >> 20, total >> 20)
    shutil.copystat(source, target)
