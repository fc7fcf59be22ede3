"""What lists of media say: labels in their several spellings, and paths that stay below the root."""

from pathlib import Path, PurePosixPath
from typing import Any

from config.errors import InputError, unknown

LABELS = {"0": 0, "real": 0, "1": 1, "fake": 1}


def label_of(value: Any, where: str) -> int:
    """0 for 0, REAL or real, 1 for 1, FAKE or fake.

    Args:
        value: as it was read.
        where: the list and the entry, for the error message.

    Raises:
        InputError: anything else.
    """
    text = str(value).strip().casefold()
    if text not in LABELS:
        raise unknown(f"label in {where}:", str(value), LABELS)
    return LABELS[text]


def relative_path(text: str, where: str) -> Path:
    """A path that a list names, with either slash.

    Raises:
        InputError: it is absolute, or leads out of the folder it starts from.
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise InputError(f"{where}: the path '{text}' leaves the data set's root")
    return Path(path)
