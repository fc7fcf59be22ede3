"""What is added to a FaceStore afterwards: values made of its crops, beside them, with a note of what made them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lmdb

from config.errors import InputError
from preprocessing.store import FaceStore, FaceStoreWriter, encode_keys


def refuse_foreign(store: FaceStore) -> None:
    """See that something may be added to a store.

    Raises:
        InputError: it is another program's.
    """
    if not store.meta():
        raise InputError(
            f"{store.path} was not made by this project, so nothing is added to it; preprocess the data set anew"
        )


def read_note(store: FaceStore, key: str, what: str) -> dict[str, Any] | None:
    """The note under a key, or None if there is none.

    Args:
        store: where it may be.
        key: it begins with "__", as no crop's does.
        what: what the note is about, for the error's sentence.

    Raises:
        InputError: it is damaged.
    """
    try:
        note = json.loads(store.get(key))
    except KeyError:
        return None
    except (ValueError, RecursionError):
        raise damaged_note(store, what) from None
    if not isinstance(note, dict):
        raise damaged_note(store, what)
    return note


def damaged_note(store: FaceStore, what: str) -> InputError:
    """The error for a note that cannot be understood."""
    return InputError(f"the face store {store.path} is damaged where it says what made its {what}")


class AdditionWriter(FaceStoreWriter):
    """Adds to a FaceStore, of which all else stays as it is.

    Args:
        path: of the store; nothing else of this process may have it open.

    Raises:
        InputError: the store is another program's, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        refuse_foreign(FaceStore(path))
        super().__init__(path, FaceStore(path).meta())

    def note(self, notes: Mapping[str, Any], old: Iterable[str] = ()) -> None:
        """Say what makes the additions, and delete the keys `old`, in one transaction."""
        entries = {key.encode(): json.dumps(note).encode() for key, note in notes.items()}
        self._put({**{key.encode(): None for key in old}, **entries})

    def keys(self) -> list[str]:
        """All keys of the store."""
        with self._env.begin() as txn:
            return [bytes(key).decode() for key in txn.cursor().iternext(keys=True, values=False)]

    def value(self, key: str) -> bytes | None:
        """The value under a key, or None.

        Raises:
            InputError: the store is damaged.
        """
        try:
            with self._env.begin() as txn:
                value: bytes | None = txn.get(key.encode())
                return value
        except lmdb.BadValsizeError:  # a key that no LMDB can hold
            return None
        except lmdb.Error as error:
            raise InputError(f"the face store {self.path} is damaged: {error}") from None

    def store(self, values: Mapping[str, bytes]) -> None:
        """Store values under their keys in one transaction.

        Raises:
            InputError: a key is too long, or the store cannot be written.
        """
        self._put(encode_keys(values))
