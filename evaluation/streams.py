"""Parquet files written a few rows at a time, which appear under their names only when they are complete."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from config.files import atomic_path


class ParquetStream:
    """Streams tables of one schema to a Parquet file.

    Used as a context manager. Memory does not grow with the number of rows; an error or a kill inside the block leaves
    no file, or the former one.

    Attributes:
        path: the file.
        schema: of all tables.
        n_rows: rows so far.

    Args:
        path: the Parquet file to write; its folders are made.
        schema: of all tables.
        row_group: rows after which a row group is written.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path, schema: pa.Schema, row_group: int) -> None:
        self.path = path
        self.schema = schema
        self.n_rows = 0
        self._row_group = row_group
        self._pending: list[pa.Table] = []
        self._n_pending = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            partial = stack.enter_context(atomic_path(self.path))
            self._parquet = pq.ParquetWriter(
                partial, self.schema, compression="zstd", write_page_checksum=True, **self.options()
            )
            stack.push(self._close)
            self._stack = stack.pop_all()
        return self

    def options(self) -> dict[str, object]:
        """Further options of the writer of Parquet."""
        return {}

    def append(self, rows: pa.Table) -> None:
        """Append rows of the schema."""
        self._pending.append(rows)
        self._n_pending += rows.num_rows
        self.n_rows += rows.num_rows
        if self._n_pending >= self._row_group:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._parquet.write_table(pa.concat_tables(self._pending))
        self._pending, self._n_pending = [], 0

    def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._flush()
        finally:
            self._parquet.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def text_columns(schema: pa.Schema) -> list[str]:
    """The names of the columns that hold text."""
    return [name for name, kind in zip(schema.names, schema.types, strict=True) if kind == pa.string()]


def with_categories(schema: pa.Schema) -> pa.Schema:
    """The same schema with text as integer codes into a dictionary, which pandas reads as categories."""
    coded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([kind.with_type(coded) if kind.type == pa.string() else kind for kind in schema])
