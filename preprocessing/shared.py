"""Columns that processes share: they lie in a file, which each process maps into its memory instead of copying it."""

import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import IO, Any

import numpy.typing as npt
import pyarrow as pa

from config.errors import InputError


class SharedColumns:
    """Columns of equal length that can be sent to a process that is being started, whatever their length.

    When they are first sent, they are written to a temporary file. It has no name, so that nothing is left of it when
    the last process that uses it ends, however it ends.

    Args:
        columns: what is shared.
    """

    def __init__(self, columns: pa.Table) -> None:
        self._columns = columns
        self._file: IO[bytes] | None = None

    def value(self, name: str, index: int) -> Any:
        """One value."""
        return self._columns[name][index].as_py()

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """A column of numbers; in a process that it was sent to it cannot be written to."""
        return self._columns[name].to_numpy()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is None:
            self._file = _written(self._columns)
            self._columns = _mapped(self._file)
        return _received, (reduction.DupFd(self._file.fileno()),)


def _written(columns: pa.Table) -> IO[bytes]:
    try:
        file = tempfile.TemporaryFile(prefix="assay-")  # noqa: SIM115 - it stays open
        with pa.ipc.new_file(file, columns.schema) as writer:
            writer.write_table(columns.combine_chunks())
        file.flush()
    except OSError as error:
        raise InputError(
            f"cannot write {columns.nbytes >> 20} MiB for loading processes to {tempfile.gettempdir()}: "
            f"{error.strerror or error}; TMPDIR names another folder"
        ) from None
    return file


def _mapped(file: IO[bytes]) -> pa.Table:
    content = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return pa.ipc.open_file(content).read_all()


def _received(handle: Any) -> SharedColumns:
    with os.fdopen(handle.detach(), "rb") as file:
        return SharedColumns(_mapped(file))
