"""Writing files so that a reader finds the old one or the whole new one, never half."""

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import InputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A scratch path beside `path`; what was written there becomes `path` when the block ends without an error.

    Raises:
        InputError: the folder or the file cannot be written, or the disk is full. Errors about other files
            pass through.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield scratch
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:
        about = error.filename
        if about is not None and Path(os.fsdecode(about)) not in (path, scratch):
            raise
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A scratch folder beside `path`; it becomes `path` when the block ends without an error.

    What killed processes left of the same folder is removed first: nobody else may be making it.

    Raises:
        InputError: there is such a folder already, or it cannot be written. Errors about other files pass through.
    """
    if path.exists():
        raise InputError(f"{path} is there already; delete it or choose another folder")
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for left in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.tmp"):
            shutil.rmtree(left)
        scratch.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        about = error.filename
        if about is not None and not Path(os.fsdecode(about)).is_relative_to(scratch):
            raise
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Remove what killed processes left half written in a folder into which nobody else is writing."""
    for scratch in folder.glob(".*.[0-9]*.tmp"):
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; errors as `atomic_path`. What UTF-8 cannot hold becomes "?"."""
    with atomic_path(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="replace")
