"""Stored faces for training and evaluation: manifest rows in a fixed order, and the pixels behind them."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from config.errors import InputError, unknown
from preprocessing.clips import Image, decode_image
from preprocessing.manifest import Filter, manifest_sha256
from preprocessing.margins import overlaps
from preprocessing.reconstruction.stored import KINDS, ReconstructionModel, model_of, remedy
from preprocessing.rows import load_rows, spread
from preprocessing.search import Box
from preprocessing.shared import SharedColumns
from preprocessing.store import (
    FaceStore,
    box_key,
    decode_box,
    decode_landmarks,
    landmarks_key,
    mask_key,
    reconstruction_key,
)

log = logging.getLogger(__name__)

FIRST_FACES: tuple[Filter, ...] = (("face", "==", 0),)
_SHARED = pa.schema([("key", pa.large_string()), ("store", pa.int32()), ("label", pa.int64())])


class BrokenSampleError(Exception):
    """A stored face whose value is missing or cannot be decoded. Never replaced by another sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A stored face.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        landmark: (81, 2) float32, x and y in pixels of the image, or None if not asked for.
        mask: (H, W) uint8, 0 or 255, or None if not asked for; all 0 for a real face, which has none stored.
        box: the face in a loose crop, out of which `preprocessing.margins.tight_crop` cuts it; None for an aligned one.
    """

    image: Image
    landmark: npt.NDArray[np.float32] | None = None
    mask: Image | None = None
    box: Box | None = None


class Faces(Protocol):
    """Faces that are read one by one, from wherever they are.

    Attributes:
        labels: (N,) int64, 0 real and 1 fake.
    """

    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many faces there are."""

    def read(self, index: int) -> Sample:
        """The pixels of a face."""


class FaceSet:
    """Faces of one or several data sets in canonical order.

    It goes to worker processes without its rows: these share the columns that reading needs (preprocessing.shared).

    Attributes:
        rows: manifest rows, numbered from 0; only in the process that made the set.
        labels: (N,) int64, 0 real and 1 fake.

    Args:
        rows: manifest rows of stored faces, with a column `store_path` (the FaceStore's folder).
        with_landmark: read landmarks.
        with_mask: read masks.
    """

    def __init__(self, rows: pd.DataFrame, *, with_landmark: bool = False, with_mask: bool = False) -> None:
        self.rows = rows.reset_index(drop=True)
        self.with_landmark = with_landmark
        self.with_mask = with_mask
        paths = self.rows["store_path"].astype("category").cat
        self._stores = [FaceStore(Path(path)) for path in paths.categories]
        columns = pd.DataFrame({"key": self.rows["key"], "store": paths.codes, "label": self.rows["label"]})
        self._columns = SharedColumns(pa.Table.from_pandas(columns, _SHARED, preserve_index=False))
        self.labels: npt.NDArray[np.int64] = self.rows["label"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sha256(self) -> str:
        """Hash of the rows."""
        return manifest_sha256(self.rows.drop(columns=["store_path"]))

    def read(self, index: int) -> Sample:
        """The face at `index`.

        Raises:
            BrokenSampleError: its value in the store is missing or cannot be decoded.
        """
        key, store = self.place(index)
        with _reading(store, key):
            image = cv2.cvtColor(_decode(store.get(key), key), cv2.COLOR_BGR2RGB)
            landmark = decode_landmarks(store.get(landmarks_key(key))) if self.with_landmark else None
            mask = self._mask(store, key, image.shape[:2], self.labels[index]) if self.with_mask else None
            box = _box(store, key, image.shape[:2]) if store.is_loose else None
        return Sample(image, landmark, mask, box)

    def key(self, index: int) -> str:
        """The key that the face at `index` has in its store."""
        return self.place(index)[0]

    def beside(self, index: int, key: str) -> Image:
        """An image that lies under `key` in the store of the face at `index`: (H, W, 3) uint8 RGB.

        Raises:
            KeyError: there is none.
            BrokenSampleError: it cannot be decoded.
        """
        store = self.place(index)[1]
        try:
            return cv2.cvtColor(_decode(store.get(key), key), cv2.COLOR_BGR2RGB)
        except ValueError as error:
            raise BrokenSampleError(f"{store.path}: {key}: {error}") from None

    def landmarks(self, index: int) -> npt.NDArray[np.float32]:
        """The (81, 2) landmarks of the face at `index` alone, without its pixels; errors as for `read`."""
        key, store = self.place(index)
        with _reading(store, key):
            return decode_landmarks(store.get(landmarks_key(key)))

    @property
    def is_loose(self) -> bool:
        """Whether the crops are loose ones."""
        return any(store.is_loose for store in self._stores)

    def reconstruction(self, index: int, kind: str) -> Image:
        """The face at `index` as a network made it anew: (H, W, 3) uint8 RGB, as large as its crop.

        Args:
            index: of a face; reals have reconstructions, fakes only if they were asked for.
            kind: "autoencoder" or "super_resolution".

        Raises:
            InputError: the store has none of this kind.
            BrokenSampleError: the store has some, but not of this face, or its value cannot be decoded.
        """
        if kind not in KINDS:
            raise unknown("kind of reconstruction", kind, KINDS)
        key, store = self.place(index)
        made = reconstruction_key(key, kind)
        try:
            return self.beside(index, made)
        except KeyError:
            command = remedy(store)
            if model_of(store, kind) is None:
                raise InputError(f"{store.path} has no reconstructions by {kind}; make them with {command}") from None
            raise BrokenSampleError(f"{store.path}: no value under {made}; {command} makes what is missing") from None

    def reconstructions(self, kinds: Sequence[str] = KINDS) -> dict[str, ReconstructionModel]:
        """What made the reconstructions of each kind that all stores with a real face have, by kind.

        Args:
            kinds: only these.

        Raises:
            InputError: different models made those of one kind.
        """
        used = np.unique(self._columns.numbers("store")[self.labels == 0])
        made: dict[str, ReconstructionModel] = {}
        for kind in kinds:
            models = [model_of(self._stores[number], kind) for number in used.tolist()]
            if len(set(models) - {None}) > 1:
                raise InputError(
                    f"different models made the reconstructions by {kind} of these data sets; make them again "
                    "with one: assay reconstruct --overwrite"
                )
            first = models[0] if models else None
            if first and all(models):
                made[kind] = first
        return made

    def whole_reconstructions(self, kinds: Sequence[str]) -> dict[str, ReconstructionModel]:
        """What made the reconstructions of some kinds, by kind, where each real face has one.

        Raises:
            InputError: a face lacks one, or as for `reconstructions`.
        """
        reals = np.flatnonzero(self.labels == 0).tolist() if kinds else []
        for kind in kinds:
            lacking = [index for index in reals if not self.is_reconstructed(index, kind)]
            if lacking:
                command = remedy(self._stores[self._columns.value("store", lacking[0])])
                counted = f"{len(lacking)} of {len(reals)} real faces"
                raise InputError(f"{counted} have no reconstruction by {kind}; make them with {command}")
        return self.reconstructions(kinds)

    def is_reconstructed(self, index: int, kind: str) -> bool:
        """Whether the face at `index` has a stored reconstruction of a kind."""
        key, store = self.place(index)
        return store.has(reconstruction_key(key, kind))

    def place(self, index: int) -> tuple[str, FaceStore]:
        """The key of the face at `index`, and the store that it lies in."""
        return self._columns.value("key", index), self._stores[self._columns.value("store", index)]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("rows", "labels")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.labels = self._columns.numbers("label")

    def _mask(self, store: FaceStore, key: str, shape: tuple[int, int], label: int) -> Image:
        if label == 0:
            return np.zeros(shape, np.uint8)
        try:
            value = store.get(mask_key(key))
        except KeyError as error:
            raise BrokenSampleError(
                f"{store.path}: no value under {error}; with_mask needs every fake's mask"
            ) from None
        return _decode(value, key, cv2.IMREAD_GRAYSCALE)


def open_faces(
    data: Path,
    datasets: Sequence[str],
    split: str,
    *,
    profile: str = "dfb",
    frames: int = 32,
    first_frames: bool = False,
    compression: str | None = None,
    with_landmark: bool = False,
    with_mask: bool = False,
    labels: Sequence[int] = (0, 1),
) -> FaceSet:
    """The stored faces of one split of some data sets, of each frame the first: the one a mask marks, else the largest.

    Args:
        data: folder of stores and manifests.
        datasets: names, in the order given.
        split: train, val or test.
        profile: name of the preprocessing profile.
        frames: at most so many frames of each video, spread evenly over the stored ones.
        first_frames: the first ones instead (`spread`).
        compression: only this level; None for all.
        with_landmark: samples carry landmarks.
        with_mask: samples carry masks.
        labels: 0 for real faces, 1 for fake ones.

    Raises:
        InputError: a data set is not preprocessed, or the split holds no face.
    """
    parts = [
        spread(
            load_rows(data, name, split, profile=profile, compression=compression, only=FIRST_FACES),
            frames,
            first=first_frames,
        )
        for name in datasets
    ]
    faces = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"label": []})
    faces = faces[faces["label"].isin(labels)]
    if not len(faces):
        kind = ("real ", "fake ")[labels[0]] if len(labels) == 1 else ""
        where = f"split '{split}' of {', '.join(datasets) or 'no data set'} below {data}"
        raise InputError(f"no stored {kind}face in {where}")
    return FaceSet(faces, with_landmark=with_landmark, with_mask=with_mask)


@contextmanager
def _reading(store: FaceStore, key: str) -> Iterator[None]:
    """What goes wrong with a stored value, as a `BrokenSampleError` that says where."""
    try:
        yield
    except KeyError as error:
        raise BrokenSampleError(f"{store.path}: no value under {error}") from None
    except ValueError as error:
        raise BrokenSampleError(f"{store.path}: {key}: {error}") from None


def _box(store: FaceStore, key: str, shape: tuple[int, int]) -> Box:
    box = decode_box(store.get(box_key(key)))
    if not overlaps(box, *shape):
        raise ValueError("the face's box lies outside of its crop")
    return box


def _decode(value: bytes, key: str, flags: int = cv2.IMREAD_COLOR) -> Image:
    image = decode_image(np.frombuffer(value, dtype=np.uint8), flags)
    if image is None:
        raise ValueError("the value is not an image")
    return image
