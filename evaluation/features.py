"""The feature file: what a network makes of each face before it decides, a row for each score, streamed to Parquet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from config.errors import InputError
from config.perturbation import CLEAN
from evaluation.scores import IDENTITY
from evaluation.streams import ParquetStream, text_columns, with_categories

FeatureArray = npt.NDArray[np.float32]

FEATURE = "feature"
_GROUP_BYTES = 1 << 22  # of the values of a row group, which a reader holds at once


@dataclass(frozen=True, slots=True)
class Features:
    """Features of some faces.

    Attributes:
        rows: (N) which view of which face each is of: the columns of `evaluation.scores.IDENTITY`, text categorical.
        values: (N, D) float32, all finite.
    """

    rows: pd.DataFrame
    values: FeatureArray


class FeatureWriter(ParquetStream):
    """Streams features to one Parquet file, which appears under its name only when it is complete.

    Used as a context manager, like `evaluation.scores.ScoreWriter`.

    Args:
        path: the Parquet file to write; its folders are made.
        dimension: numbers of a feature.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self.dimension = dimension
        schema = IDENTITY.append(pa.field(FEATURE, pa.list_(pa.float32(), dimension), nullable=False))
        super().__init__(path, schema, max(1, _GROUP_BYTES // (4 * dimension)))

    def options(self) -> dict[str, object]:
        """Text by dictionary; a float's bytes apart, which packs them better."""
        return {"use_dictionary": text_columns(IDENTITY), "use_byte_stream_split": [f"{FEATURE}.list.element"]}

    def write(self, rows: pd.DataFrame, values: FeatureArray) -> None:
        """Append features.

        Args:
            rows: (N) with the columns of `evaluation.scores.IDENTITY`; others are left out.
            values: (N, dimension) float32.

        Raises:
            InputError: a value is not finite.
            ValueError: a column is missing, or the values have another shape.
        """
        if values.shape != (len(rows), self.dimension):
            raise ValueError(f"expected features of shape ({len(rows)}, {self.dimension}), not {values.shape}")
        if problem := _unsound(rows, values):
            raise InputError(f"cannot store features in {self.path}: {problem}")
        arrays = [pa.array(np.asarray(rows[kind.name]), kind.type, from_pandas=True) for kind in IDENTITY]
        flat = pa.array(np.ascontiguousarray(values, np.float32).reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, self.dimension))
        self.append(pa.Table.from_arrays(arrays, schema=self.schema))


def read_features(path: Path) -> Features:
    """Read a feature file whole.

    Raises:
        InputError: the file is missing, is not Parquet, was cut short or altered, or is no feature file.
    """
    return _joined(iter_features(path), path)


def read_clean_features(path: Path) -> Features:
    """Read those of the crops as they are stored; other views take no memory. Errors as for `read_features`."""
    return _joined((_chosen(part, is_clean(part.rows)) for part in iter_features(path)), path)


def is_clean(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(N,) which rows are of crops as they are stored."""
    return np.asarray(rows["perturbation"].astype(str) == CLEAN)


def dimension_of(path: Path) -> int:
    """How many numbers a feature of a feature file has; errors as for `read_features`."""
    with _opened(path) as file:
        return _dimension(file, path)


def iter_features(path: Path) -> Iterator[Features]:
    """The features of a file in their order, some at a time, so that memory does not grow with the file.

    Raises:
        InputError: as for `read_features`.
    """
    with _opened(path) as file:
        dimension = _dimension(file, path)
        for group in range(file.num_row_groups):
            yield _read_group(file, group, dimension, path)


def _chosen(features: Features, which: npt.NDArray[np.bool_]) -> Features:
    return Features(features.rows[which], features.values[which])


def _joined(given: Iterable[Features], path: Path) -> Features:
    """All parts of a file as one."""
    parts = list(given)
    if not parts:
        return Features(
            with_categories(IDENTITY).empty_table().to_pandas(), np.empty((0, dimension_of(path)), np.float32)
        )
    rows = pd.concat([part.rows.astype(dict.fromkeys(text_columns(IDENTITY), object)) for part in parts])
    rows = rows.astype(dict.fromkeys(text_columns(IDENTITY), "category")).reset_index(drop=True)
    return Features(rows, np.concatenate([part.values for part in parts]))


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise InputError(f"no features at {path}; make some with 'assay evaluate ... --features'")
    try:
        return pq.ParquetFile(path, read_dictionary=text_columns(IDENTITY), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(_DAMAGED.format(path)) from error


def _dimension(file: pq.ParquetFile, path: Path) -> int:
    schema = file.schema_arrow
    for name in [*IDENTITY.names, FEATURE]:
        if name not in schema.names:
            raise InputError(f"{path} is not a feature file: it has no column '{name}'")
    kind = schema.field(FEATURE).type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32():
        raise InputError(f"{path} is not a feature file: '{FEATURE}' holds {kind}, not lists of float of one length")
    return int(kind.list_size)


def _read_group(file: pq.ParquetFile, group: int, dimension: int, path: Path) -> Features:
    try:
        table = file.read_row_group(group)
    except (pa.ArrowException, OSError) as error:
        raise InputError(_DAMAGED.format(path)) from error
    try:
        rows = table.select(IDENTITY.names).cast(with_categories(IDENTITY)).unify_dictionaries().to_pandas()
        flat = table[FEATURE].combine_chunks().flatten()
        values = flat.to_numpy(zero_copy_only=False).reshape(table.num_rows, dimension)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path} is not a feature file: a column has a wrong type or empty fields: {error}") from error
    if problem := _unsound(rows, values):
        raise InputError(f"{path} is not a sound feature file: {problem}")
    return Features(rows, values)


def _unsound(rows: pd.DataFrame, values: FeatureArray) -> str:
    """What is wrong with the first feature that is not finite, in words that follow a colon; empty if all are."""
    finite = np.isfinite(values).all(axis=1)
    if finite.all():
        return ""
    row = rows.iloc[int(np.argmin(finite))]
    return f"frame {row['frame']} of video '{row['video_id']}' has a feature that is no finite number"


_DAMAGED = "{} is not a whole Parquet file: it was cut short or altered, or is no feature file"
