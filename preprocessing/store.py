"""The FaceStore: face crops, landmarks and masks of one data set in LMDB, under DeepfakeBench's keys."""

import hashlib
import io
import json
import os
import posixpath
import shutil
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from config.errors import InputError
from preprocessing.search import Box

META_KEY = b"__meta__"
ROWS_PREFIX = b"__rows__/"
FIRST_MAP_SIZE = 1 << 26
LONGEST_KEY = 511
LITTLE_SPACE = 1 << 20
# Meta entries that decide what the pixels are; the others (versions) are only recorded.
DECISIVE = ("format", "dataset", "profile", "predictor_sha256", "detector_sha256", "encoder")
# LMDB lets a process open a file once: stores of the same folder share the environment while any of them lives.
_open: "weakref.WeakValueDictionary[tuple[int, Path], lmdb.Environment]" = weakref.WeakValueDictionary()


def landmarks_key(key: str) -> str:
    """Key of the landmarks that belong to a crop: .../frames/VIDEO/012.png -> .../landmarks/VIDEO/012.npy."""
    return _sibling(key, "landmarks", ".npy")


def mask_key(key: str) -> str:
    """Key of the mask that belongs to a crop: .../frames/VIDEO/012.png -> .../masks/VIDEO/012.png."""
    return _sibling(key, "masks", ".png")


def box_key(key: str) -> str:
    """Key of the face's box in a loose crop: .../frames/VIDEO/012.png -> .../boxes/VIDEO/012.json."""
    return _sibling(key, "boxes", ".json")


def reconstruction_key(key: str, kind: str) -> str:
    """Key of a crop's reconstruction: .../frames/VIDEO/012.png -> .../autoencoder/VIDEO/012.png."""
    return _sibling(key, kind, ".png")


def perturbed_key(key: str, suite: str, variant: str) -> str:
    """Key of a crop of the perturbed frame: .../frames/VIDEO/012.png -> .../perturbed/SUITE/VARIANT/VIDEO/012.png."""
    return _sibling(key, f"perturbed/{suite}/{variant}", ".png")


def encode_box(box: Box, placed_by: str) -> bytes:
    """A box as JSON: borders in pixels of the crop, confidence, and whose box the landmarks were looked for in."""
    return json.dumps({**asdict(box), "landmarks_placed_by": placed_by}).encode()


def decode_box(value: bytes) -> Box:
    """The box that `encode_box` wrote.

    Raises:
        ValueError: the value is damaged.
    """
    try:
        entry = json.loads(value)
        left, top, right, bottom = (int(entry[name]) for name in ("left", "top", "right", "bottom"))
        return Box(left, top, right, bottom, float(entry["score"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"damaged box: {type(error).__name__}") from None


def sibling_keys(key: str) -> tuple[str, ...]:
    """Keys of the landmarks and the mask that belong to a crop; none for a crop that lies in no folder `frames`."""
    return (landmarks_key(key), mask_key(key)) if "frames" in PurePosixPath(key).parts[:-1] else ()


def encode_landmarks(landmarks: npt.NDArray[np.int64]) -> bytes:
    """(81, 2) integers as the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, landmarks.astype(np.int32), allow_pickle=False)
    return buffer.getvalue()


def decode_landmarks(value: bytes) -> npt.NDArray[np.float32]:
    """(81, 2) landmarks from a .npy file's bytes, or from DeepfakeBench's headerless int32 or int64 payload.

    Raises:
        ValueError: neither.
    """
    header = _own_header()
    if value.startswith(header) and len(value) == len(header) + 81 * 2 * 4:
        points = np.frombuffer(value, np.int32, offset=len(header)).reshape(81, 2)
    elif value.startswith(b"\x93NUMPY"):
        try:
            points = np.load(io.BytesIO(value), allow_pickle=False)
        except Exception as error:  # noqa: BLE001 - numpy parses the header as Python text, and damage there raises anything
            raise ValueError(f"damaged landmarks: {type(error).__name__}") from None
    else:
        kinds = {81 * 2 * 4: np.int32, 81 * 2 * 8: np.int64}
        if len(value) not in kinds:
            raise ValueError(f"{len(value)} bytes are no 81 landmarks")
        points = np.frombuffer(value, dtype=kinds[len(value)]).reshape(81, 2)
    if points.shape != (81, 2):
        raise ValueError(f"landmarks have shape {points.shape}, not (81, 2)")
    return points.astype(np.float32)


@cache
def _own_header() -> bytes:
    """What all landmarks of this project's stores begin with; numpy would parse it as Python each time."""
    return encode_landmarks(np.empty((81, 2), np.int64))[: -81 * 2 * 4]


class FaceStore:
    """A FaceStore, or DeepfakeBench's own LMDB, for reading.

    Opened when first read and anew in each process, without lock or readahead, so that it can be handed to workers.

    Args:
        path: the LMDB folder.

    Raises:
        InputError: the folder is missing or is no LMDB (on first use).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._env: lmdb.Environment | None = None
        self._pid = 0
        self._is_loose: bool | None = None

    @property
    def is_loose(self) -> bool:
        """Whether its crops are loose ones, so that each has a box."""
        if self._is_loose is None:
            self._is_loose = self.meta().get("profile", {}).get("crop") == "loose"
        return self._is_loose

    def get(self, key: str) -> bytes:
        """The value under a POSIX key; DeepfakeBench's backslash spellings of it are tried as well.

        Raises:
            KeyError: there is none.
            ValueError: the file is damaged where it should be.
        """
        try:
            with self._environment().begin(buffers=False) as txn:
                for spelling in _spellings(key):
                    value = txn.get(spelling)
                    if value is not None:
                        return bytes(value)
        except lmdb.Error as error:
            raise ValueError(f"the LMDB is damaged: {error}") from None
        raise KeyError(key)

    def has(self, key: str) -> bool:
        """Whether there is a value under a key, in any spelling."""
        return self.size(key) is not None

    def size(self, key: str) -> int | None:
        """How many bytes there are under a key, in any spelling, without reading them; None if there is no value."""
        try:
            with self._environment().begin(buffers=True) as txn:
                values = (txn.get(spelling) for spelling in _spellings(key))
                return next((len(value) for value in values if value is not None), None)
        except lmdb.BadValsizeError:  # a key that no LMDB can hold
            return None
        except lmdb.Error:
            raise _damaged(self.path) from None

    def keys(self) -> Iterator[str]:
        """All keys of crops and of what lies beside them, as they are stored."""
        with self._environment().begin() as txn:
            for raw in txn.cursor().iternext(keys=True, values=False):
                if not bytes(raw).startswith(b"__"):
                    yield bytes(raw).decode()

    def meta(self) -> dict[str, Any]:
        """Profile, predictor, encoder and versions the store was made with; empty for DeepfakeBench's LMDBs."""
        try:
            with self._environment().begin() as txn:
                value = txn.get(META_KEY)
            return dict(json.loads(bytes(value))) if value is not None else {}
        except (lmdb.Error, ValueError, TypeError):
            raise _damaged(self.path) from None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_env": None, "_pid": 0, "_is_loose": self._is_loose}

    def _environment(self) -> lmdb.Environment:
        if self._env is None or self._pid != os.getpid():
            self._env, self._pid = _open_read_only(self.path.resolve()), os.getpid()
        return self._env


class FaceStoreWriter:
    """Writes a FaceStore, one transaction for each clip, so that a kill leaves only whole clips behind.

    With the faces of a clip go its manifest rows: what is in the store says by itself which clips are done.

    Args:
        path: the LMDB folder; made if missing.
        meta: what the pixels depend on (see DECISIVE) and versions for the record.

    Raises:
        InputError: the folder already holds a store made otherwise, or cannot be written.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path = path
        self._env = open_to_write(path)
        _refuse_cut_short(path, self._env)
        stored = self._json(META_KEY)
        if stored is None:
            if self._env.stat()["entries"]:
                self._env.close()
                raise InputError(
                    f"{path} was not made by this project, so nothing is added to it; choose another --data"
                )
            self._put({META_KEY: meta_bytes(meta)})
        else:
            _refuse_other_store(path, dict(stored), meta)

    def add(self, video_id: str, values: Mapping[str, bytes], rows: list[dict[str, Any]]) -> None:
        """Store a clip's values and its manifest rows in one transaction."""
        entries = encode_keys(values)
        entries[_rows_key(video_id)] = json.dumps(rows).encode()
        self._put(entries)

    def rows(self, video_id: str) -> list[dict[str, Any]] | None:
        """The manifest rows of a clip, or None if it is not stored yet."""
        rows: list[dict[str, Any]] | None = self._json(_rows_key(video_id))
        return rows

    def close(self) -> None:
        """Flush and close.

        Raises:
            InputError: the disk is full or fails.
        """
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise _not_written(self.path, error) from None
        finally:
            self._env.close()

    def _json(self, key: bytes) -> Any:
        try:
            with self._env.begin() as txn:
                value = txn.get(key)
            return None if value is None else json.loads(value)
        except (lmdb.Error, ValueError):
            raise _damaged(self.path) from None

    def _put(self, entries: Mapping[bytes, bytes | None]) -> None:
        put(self._env, self.path, entries)


def open_to_write(path: Path) -> lmdb.Environment:
    """An LMDB folder for writing, made if missing.

    Raises:
        InputError: it cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        return lmdb.open(str(path), map_size=FIRST_MAP_SIZE, meminit=False)
    except (OSError, lmdb.Error) as error:
        raise _not_written(path, error) from None


def meta_bytes(meta: Mapping[str, Any]) -> bytes:
    """What a store was made with, as the value that `FaceStore.meta` reads."""
    return json.dumps(dict(meta), sort_keys=True).encode()


def encode_keys(values: Mapping[str, bytes]) -> dict[bytes, bytes]:
    """Values under the bytes of their keys.

    Raises:
        InputError: a key is longer than LMDB can hold.
    """
    entries = {key.encode(): value for key, value in values.items()}
    too_long = [key for key in entries if len(key) > LONGEST_KEY]
    if too_long:
        raise InputError(f"path too long for LMDB (over {LONGEST_KEY} bytes): {too_long[0].decode()}")
    return entries


def put(env: lmdb.Environment, path: Path, entries: Mapping[bytes, bytes | None]) -> None:
    """Write entries into the LMDB folder `path` in one transaction, None deleting; the map grows as need be.

    Raises:
        InputError: the disk is full or fails.
    """
    while True:
        try:
            with env.begin(write=True) as txn:
                for key, value in entries.items():
                    if value is None:
                        txn.delete(key)
                    else:
                        txn.put(key, value)
            return
        except lmdb.MapFullError:
            env.set_mapsize(env.info()["map_size"] * 2)
        except lmdb.Error as error:
            raise _not_written(path, error) from None


def _open_read_only(path: Path) -> lmdb.Environment:
    env = _open.get((os.getpid(), path))
    if env is None:
        for (pid, opened), inherited in list(_open.items()):
            if opened == path and pid != os.getpid():
                inherited.close()  # came over by fork: not usable here, and it keeps LMDB from opening the file anew
        if not (path / "data.mdb").is_file():
            raise InputError(f"{path} is not an LMDB folder (it has no data.mdb)")
        try:
            env = lmdb.open(str(path), readonly=True, lock=False, readahead=False, meminit=False)
        except lmdb.Error as error:
            raise InputError(f"cannot open the LMDB {path}: {error}") from None
        _refuse_cut_short(path, env)
        _open[os.getpid(), path] = env
    return env


def _not_written(path: Path, error: Exception) -> InputError:
    """LMDB calls a full disk an input/output error."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    is_full = path.is_dir() and shutil.disk_usage(path).free < LITTLE_SPACE
    return InputError(f"cannot write the face store {path}: {'no space left on device' if is_full else reason}")


def _damaged(path: Path) -> InputError:
    return InputError(f"the face store {path} is damaged; copy it again, or delete it and make it again")


def _refuse_cut_short(path: Path, env: lmdb.Environment) -> None:
    """LMDB maps the file into memory; to touch a page that is not there kills the process."""
    needed = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    size = (path / "data.mdb").stat().st_size
    if size < needed:
        env.close()
        raise InputError(f"{path / 'data.mdb'} was cut short: {size} bytes of at least {needed}; copy or make it again")


def _refuse_other_store(path: Path, stored: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    for entry in DECISIVE:
        if stored.get(entry) != meta.get(entry):
            raise InputError(
                f"{path} was made with another {entry.replace('_', ' ')} ({stored.get(entry)}, now {meta.get(entry)}); "
                "choose another --data folder or delete it"
            )


def _rows_key(video_id: str) -> bytes:
    return ROWS_PREFIX + hashlib.sha256(video_id.encode()).hexdigest().encode()


def _sibling(key: str, folder: str, suffix: str) -> str:
    above, found, below = f"/{key}".rpartition("/frames/")
    if not found:
        raise ValueError(f"'{key}' is in no folder 'frames'")
    return f"{above}/{folder}/{posixpath.splitext(below)[0]}{suffix}"[1:]


def _spellings(key: str) -> Iterator[bytes]:
    yield key.encode()
    yield key.replace("/", "\\").encode()
    yield key.replace("/", "\\", 1).encode()
