"""Crops of perturbed frames in a FaceStore: beside the clean ones, with a note of the suite that they were made by."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from config.errors import InputError
from preprocessing.additions import AdditionWriter, damaged_note, read_note, refuse_foreign
from preprocessing.store import FaceStore

PREFIX = "__perturbed__/"
LOST = b""
"""The value of a crop that could not be made, since its face was not found again as it is stored."""


@dataclass(frozen=True, slots=True)
class PerturbedBy:
    """What made the perturbed crops of a suite.

    Attributes:
        sha256: of all that decides the pixels (`preprocessing.views.Suite.sha256`).
        codec: which builds compressed the clips, "" if none was compressed.
    """

    sha256: str
    codec: str

    def __str__(self) -> str:
        return f"parameters {self.sha256[:12]}{f', {self.codec}' if self.codec else ''}"


def perturbed_by(store: FaceStore, suite: str) -> PerturbedBy | None:
    """What made a store's perturbed crops of a suite, or None if it has none.

    Raises:
        InputError: the store is damaged where it says so.
    """
    note = read_note(store, PREFIX + suite, "perturbed crops")
    if note is None:
        return None
    try:
        return PerturbedBy(str(note["sha256"]), str(note["codec"]))
    except KeyError:
        raise damaged_note(store, "perturbed crops") from None


def remedy(store: FaceStore, suite: str) -> str:
    """The command that makes what a store lacks of the perturbed crops of a suite."""
    made_by = store.meta()
    profile = made_by.get("profile", {}).get("name", "dfb")
    option = "" if profile == "dfb" else f" --profile {profile}"
    return f"'assay perturb {made_by.get('dataset', 'DATASET')} --root DIR --perturb {suite}{option}'"


def maker_of(store: FaceStore, suite: str, sha256: str) -> PerturbedBy:
    """What made a store's perturbed crops of a suite as it is.

    Raises:
        InputError: it has none, or they were made when the suite had other parameters.
    """
    made_by = perturbed_by(store, suite)
    if made_by is None:
        raise InputError(f"{store.path} has no perturbed crops of suite {suite}; make them with {remedy(store, suite)}")
    if made_by.sha256 != sha256:
        raise InputError(
            f"the perturbed crops in {store.path} were made by another suite of the name {suite}, with {made_by} and "
            f"not {sha256[:12]}; make them anew with {remedy(store, suite)} and --overwrite"
        )
    return made_by


def refuse_other_maker(path: Path, suite: str, maker: PerturbedBy) -> None:
    """See that a store can take perturbed crops of a suite.

    Raises:
        InputError: it is another program's, or what it has of the suite was made otherwise.
    """
    store = FaceStore(path)
    refuse_foreign(store)
    made_by = perturbed_by(store, suite)
    if made_by not in (None, maker):
        raise InputError(
            f"the perturbed crops of suite {suite} in {path} were made with {made_by}, now it would be {maker}; make "
            f"them anew with {remedy(store, suite)} and --overwrite"
        )


class PerturbedWriter(AdditionWriter):
    """Adds the perturbed crops of a suite to a FaceStore.

    Args:
        path: of the store; nothing else of this process may have it open.
        suite: name of the suite.
        maker: what makes them.
        overwrite: delete what the store has of this suite.

    Raises:
        InputError: as `refuse_other_maker`, where nothing is deleted; or the store cannot be written.
    """

    def __init__(self, path: Path, suite: str, maker: PerturbedBy, overwrite: bool = False) -> None:
        if not overwrite:
            refuse_other_maker(path, suite, maker)
        super().__init__(path)
        old = [key for key in self.keys() if f"/perturbed/{suite}/" in key] if overwrite else []
        self.note({PREFIX + suite: asdict(maker)}, old)

    def lacks(self, keys: Collection[str]) -> bool:
        """Whether any of these crops is not there or was lost."""
        return not all(map(self.value, keys))
