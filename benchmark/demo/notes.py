"""Notes beside finished work, by which a later call sees at a glance that nothing is left to do."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.files import write_text


@dataclass(frozen=True, slots=True)
class Note:
    """A file that says what decided on other files, and which these were.

    Attributes:
        path: the file.
        about: names and values that JSON can hold.
        files: files, or folders with all that is in them.
    """

    path: Path
    about: Mapping[str, Any]
    files: tuple[Path, ...]

    @property
    def holds(self) -> bool:
        """Whether it was written of the same, and the files were not touched since."""
        return self.path.is_file() and self.path.read_text(encoding="utf-8") == self._text()

    def write(self) -> None:
        """Declare the files finished."""
        write_text(self.path, self._text())

    def _text(self) -> str:
        return json.dumps({**self.about, "files": fingerprint(self.files)}, indent=2, sort_keys=True) + "\n"


def fingerprint(paths: Iterable[Path]) -> str:
    """SHA-256 over names, sizes and times of change of files, and of those in folders at any depth; none is opened."""
    digest = hashlib.sha256()
    for base in paths:
        for path in sorted(base.rglob("*")) if base.is_dir() else [base]:
            if path.is_file():
                found = path.stat()
                digest.update(f"{path.relative_to(base.parent)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
