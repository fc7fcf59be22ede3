"""Reconstructions in a FaceStore: beside the crops that they are made of, with a note of the model that made them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import lmdb

from config.errors import InputError
from preprocessing.store import FaceStore, FaceStoreWriter, encode_keys, reconstruction_key

KINDS = ("autoencoder", "super_resolution")
PREFIX = "__reconstruction__/"


@dataclass(frozen=True, slots=True)
class ReconstructionModel:
    """What made reconstructions.

    Attributes:
        name: of the network.
        sha256: of its weights' bytes, 64 hex digits.
        is_substitute: whether it is one of the project's own small networks in place of the paper's.
    """

    name: str
    sha256: str
    is_substitute: bool

    def __str__(self) -> str:
        return f"{self.name}{', a substitute' if self.is_substitute else ''} (sha256 {self.sha256[:12]})"


def model_of(store: FaceStore, kind: str) -> ReconstructionModel | None:
    """What made a store's reconstructions of a kind, or None if it has none.

    Raises:
        InputError: the store is damaged where it says so.
    """
    try:
        value = store.get(PREFIX + kind)
    except KeyError:
        return None
    except ValueError:
        value = b""
    where = f"the face store {store.path} is damaged where it says what made its reconstructions"
    return _model(_parsed(value, where), where)


def remedy(store: FaceStore) -> str:
    """The command that makes what a store lacks of reconstructions."""
    made_by = store.meta()
    profile = made_by.get("profile", {}).get("name", "dfb")
    option = "" if profile == "dfb" else f" --profile {profile}"
    return f"'assay reconstruct {made_by.get('dataset', 'DATASET')}{option}'"


def models_to_json(models: Mapping[str, ReconstructionModel]) -> str:
    """Models by kind, as one string."""
    return json.dumps({kind: asdict(model) for kind, model in models.items()}, sort_keys=True)


def models_from_json(text: str, where: str) -> dict[str, ReconstructionModel]:
    """The models that `models_to_json` wrote.

    Args:
        text: what it wrote.
        where: the error's sentence.

    Raises:
        InputError: the text is damaged.
    """
    entries = _parsed(text, where)
    if not isinstance(entries, dict):
        raise InputError(where)
    return {kind: _model(entry, where) for kind, entry in entries.items()}


def refuse_other_model(path: Path, models: Mapping[str, ReconstructionModel]) -> None:
    """See that a store can take reconstructions by these models.

    Args:
        path: of the store.
        models: by kind.

    Raises:
        InputError: it is another program's, or another model made what it has of a kind.
    """
    store = FaceStore(path)
    if not store.meta():
        raise InputError(
            f"{path} was not made by this project, so nothing is added to it; preprocess the data set anew"
        )
    for kind, model in models.items():
        made_by = model_of(store, kind)
        if made_by not in (None, model):
            raise InputError(
                f"{made_by} made the reconstructions by {kind} in {path}, not {model}; --overwrite replaces all"
            )


def _parsed(text: str | bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(where) from None


def _model(entry: Any, where: str) -> ReconstructionModel:
    try:
        return ReconstructionModel(str(entry["name"]), str(entry["sha256"]), bool(entry["is_substitute"]))
    except (KeyError, TypeError):
        raise InputError(where) from None


class ReconstructionWriter(FaceStoreWriter):
    """Adds reconstructions to a FaceStore, of which all else stays as it is.

    Args:
        path: of the store; nothing else of this process may have it open.
        models: what makes each kind.
        overwrite: delete what the store has of these kinds.

    Raises:
        InputError: as `refuse_other_model`, where nothing is deleted; or the store cannot be written.
    """

    def __init__(self, path: Path, models: Mapping[str, ReconstructionModel], overwrite: bool = False) -> None:
        refuse_other_model(path, {} if overwrite else models)
        super().__init__(path, FaceStore(path).meta())
        self.kinds = tuple(models)
        old = [key for kind in models for key in self._reconstructions(kind)] if overwrite else []
        notes = {(PREFIX + kind).encode(): json.dumps(asdict(model)).encode() for kind, model in models.items()}
        self._put({**dict.fromkeys(old), **notes})

    def crop(self, key: str) -> bytes | None:
        """The bytes of a stored crop, or None."""
        return self._get(key.encode())

    def missing(self, key: str) -> list[str]:
        """The kinds that a crop has no reconstruction of."""
        return [kind for kind in self.kinds if self._get(reconstruction_key(key, kind).encode()) is None]

    def store(self, values: Mapping[str, bytes]) -> None:
        """Store reconstructions under their keys in one transaction."""
        self._put(encode_keys(values))

    def _get(self, key: bytes) -> bytes | None:
        try:
            with self._env.begin() as txn:
                value: bytes | None = txn.get(key)
                return value
        except lmdb.BadValsizeError:  # a key that no LMDB can hold
            return None
        except lmdb.Error as error:
            raise InputError(f"the face store {self.path} is damaged: {error}") from None

    def _reconstructions(self, kind: str) -> list[bytes]:
        """Keys that the crops' reconstructions of a kind have, if they are there."""
        with self._env.begin() as txn:
            keys = [bytes(key).decode() for key in txn.cursor().iternext(keys=True, values=False)]
        return [reconstruction_key(key, kind).encode() for key in keys if "frames" in PurePosixPath(key).parts[:-1]]
