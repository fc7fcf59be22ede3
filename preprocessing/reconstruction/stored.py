"""Reconstructions in a FaceStore: beside the crops that they are made of, with a note of the model that made them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from config.errors import InputError
from preprocessing.additions import AdditionWriter, damaged_note, read_note, refuse_foreign
from preprocessing.store import FaceStore, reconstruction_key

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
    note = read_note(store, PREFIX + kind, "reconstructions")
    return None if note is None else _model(note, str(damaged_note(store, "reconstructions")))


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
    refuse_foreign(store)
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


class ReconstructionWriter(AdditionWriter):
    """Adds reconstructions to a FaceStore.

    Args:
        path: of the store; nothing else of this process may have it open.
        models: what makes each kind.
        overwrite: delete what the store has of these kinds.

    Raises:
        InputError: as `refuse_other_model`, where nothing is deleted; or the store cannot be written.
    """

    def __init__(self, path: Path, models: Mapping[str, ReconstructionModel], overwrite: bool = False) -> None:
        refuse_other_model(path, {} if overwrite else models)
        super().__init__(path)
        self.kinds = tuple(models)
        crops = [key for key in self.keys() if "frames" in PurePosixPath(key).parts[:-1]] if overwrite else []
        old = [reconstruction_key(key, kind) for kind in models for key in crops]
        self.note({PREFIX + kind: asdict(model) for kind, model in models.items()}, old)

    def missing(self, key: str) -> list[str]:
        """The kinds that a crop has no reconstruction of."""
        return [kind for kind in self.kinds if self.value(reconstruction_key(key, kind)) is None]
