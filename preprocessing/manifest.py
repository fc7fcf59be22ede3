"""The manifest: one Parquet for each data set and profile, a row for each face, and a row for each skip."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv, types

from config.errors import InputError
from config.files import atomic_path

FORMAT = 1
META = b"assay"
Filter = tuple[str, str, Any]
ORDER = ["split", "label", "class_name", "compression", "video_id", "frame", "face"]
ROWS_AT_ONCE = 1 << 16
# Each group has its own bounds of split, method and compression, by which a reader passes it over.
ROWS_OF_A_GROUP = 1 << 17

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("split", pa.string()),
        ("label", pa.int8()),
        ("class_name", pa.string()),
        ("method", pa.string()),
        ("compression", pa.string()),
        ("video_id", pa.string()),
        ("media", pa.string()),
        ("frame", pa.int32()),
        ("face", pa.int32()),
        ("identity_target", pa.string()),
        ("identity_source", pa.string()),
        ("store", pa.string()),
        ("key", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("detector_score", pa.float32()),
        ("source_path", pa.string()),
        ("sha1", pa.string()),
        ("skip", pa.string()),
    ]
)
# What rows of a clip share is held once in memory, not for each row; keys are all different.
REPEATED = [field.name for field in SCHEMA if field.type == pa.string() and field.name != "key"]
COMPACT = pa.schema(
    [
        pa.field(field.name, pa.dictionary(pa.int32(), pa.string())) if field.name in REPEATED else field
        for field in SCHEMA
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a stored face, a sampled frame without one (face -1), or a clip that gave nothing (frame -1, face -1).

    Attributes:
        frame: index of the frame in its clip.
        face: number of the face in its frame, 0 for the largest.
        store: folder of the FaceStore, relative to the manifest.
        key: key of the crop in the store; "" where there is none.
        width: width of the source frame in pixels (height alike); 0 if it was not read.
        detector_score: confidence of the face detector.
        source_path: the media file, relative to the data set's root.
        sha1: of the media file.
        skip: "" for a stored face, else the reason why there is none.
    """

    dataset: str
    split: str
    label: int
    class_name: str
    method: str
    compression: str
    video_id: str
    media: str
    identity_target: str
    identity_source: str
    store: str
    source_path: str
    sha1: str
    frame: int = -1
    face: int = -1
    key: str = ""
    width: int = 0
    height: int = 0
    detector_score: float | None = None
    skip: str = ""


def write_manifest(path: Path, rows: Iterable[Mapping[str, Any]], meta: Mapping[str, Any]) -> None:
    """Write rows in canonical order; the file appears whole or not at all.

    Args:
        path: the Parquet file.
        rows: mappings with the fields of Row; they are gone through once, and only a compact table of them is kept.
        meta: what made it (profile, predictor, versions); kept in the file.
    """
    _write(path, pa.Table.from_batches(_batches(rows), COMPACT), meta)


def join_manifests(path: Path, parts: Sequence[Path], meta: Mapping[str, Any]) -> None:
    """Write the rows of several manifests as one.

    Args:
        path: the Parquet file.
        parts: manifests.
        meta: as for write_manifest.

    Raises:
        InputError: as read_manifest.
    """
    _write(path, pa.concat_tables([_read(part, read_dictionary=REPEATED).cast(COMPACT) for part in parts]), meta)


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    left = iter(rows)
    while batch := [dict(row) for row in islice(left, ROWS_AT_ONCE)]:
        yield pa.RecordBatch.from_pylist(batch, schema=COMPACT)


def _write(path: Path, table: pa.Table, meta: Mapping[str, Any]) -> None:
    by = pa.schema([SCHEMA.field(column) for column in ORDER])
    order = pc.sort_indices(table.select(ORDER).cast(by), sort_keys=[(column, "ascending") for column in ORDER])
    table = table.combine_chunks()
    header = json.dumps({"format": FORMAT, **meta}, sort_keys=True)
    schema = SCHEMA.with_metadata({META: header.encode()})
    with atomic_path(path) as scratch, pq.ParquetWriter(scratch, schema, write_page_checksum=True) as writer:
        for start in range(0, len(table), ROWS_OF_A_GROUP):
            writer.write_table(table.take(order.slice(start, ROWS_OF_A_GROUP)).cast(schema))


def read_manifest(path: Path, columns: Sequence[str] | None = None, filters: Sequence[Filter] = ()) -> pd.DataFrame:
    """Rows of a manifest in canonical order.

    Only the columns asked for, and only groups of rows among which the filters can find any, are read.

    Args:
        path: the Parquet file.
        columns: only these; None for all.
        filters: conditions that all must hold, as pyarrow writes them, for example [("split", "==", "test")].

    Raises:
        InputError: missing, no Parquet file, no manifest, or of another format.
    """
    wanted = None if columns is None else list(columns)
    try:
        return _read(path, columns=wanted, filters=list(filters) or None).to_pandas()
    except (pa.ArrowException, ValueError):
        raise _not_whole(path) from None


def _read(path: Path, **options: Any) -> pa.Table:
    manifest_meta(path)
    try:
        return pq.read_table(path, partitioning=None, page_checksum_verification=True, **options)
    except (pa.ArrowException, OSError, ValueError):
        raise _not_whole(path) from None


def manifest_meta(path: Path) -> dict[str, Any]:
    """What made a manifest: profile, predictor, versions.

    Raises:
        InputError: as read_manifest.
    """
    if not path.is_file():
        raise InputError(f"no such manifest: {path}; make it with 'assay preprocess'")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError):
        raise _not_whole(path) from None
    header = (schema.metadata or {}).get(META)
    if header is None or not schema.remove_metadata().equals(SCHEMA):
        raise InputError(f"{path} is not a manifest of this project")
    try:
        meta = dict(json.loads(header))
    except (ValueError, TypeError):
        raise _not_whole(path) from None
    if meta.get("format") != FORMAT:
        raise InputError(f"{path} has manifest format {meta.get('format')}, this version reads {FORMAT}")
    return meta


def _not_whole(path: Path) -> InputError:
    return InputError(f"{path} is not a whole Parquet file; make it again with 'assay preprocess'")


def manifest_sha256(rows: pd.DataFrame) -> str:
    """Hash of the rows in canonical order: the same rows give the same hash, however the file was written.

    The column `store` is left out: the same crops are the same crops in one store or in those of several shards.
    """
    columns = sorted(set(rows.columns) - {"store"})
    order = rows[ORDER].reset_index(drop=True).sort_values(ORDER, kind="stable").index.to_numpy()
    digest = hashlib.sha256(rows.iloc[:0][columns].to_csv(index=False, lineterminator="\n").encode())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        digest.update(_csv(rows[columns].take(order[start : start + ROWS_AT_ONCE])))
    return digest.hexdigest()


def _csv(rows: pd.DataFrame) -> bytes:
    """Rows as pandas writes them to CSV, without a header; pyarrow is several times as fast, but quotes nothing."""
    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pandas(rows, preserve_index=False)
        for number, field in enumerate(table.schema):
            if types.is_floating(field.type):  # which pyarrow spells otherwise
                values = rows[field.name].to_numpy()
                text = pa.array(values.astype(str), pa.string(), mask=pd.isna(values))
                table = table.set_column(number, field.name, text)
        csv.write_csv(table, sink, csv.WriteOptions(include_header=False, quoting_style="none"))
    except pa.ArrowException:
        return rows.to_csv(index=False, header=False, lineterminator="\n").encode()
    return sink.getvalue().to_pybytes()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the sampled frames of a manifest."""

    videos: int
    videos_without_face: int
    frames: int
    faces: int
    skips: Mapping[str, int]


def coverage(rows: pd.DataFrame) -> Coverage:
    """Counts of videos, sampled frames, faces, and skips by reason."""
    with_face = rows.loc[rows["skip"] == "", "video_id"].nunique()
    videos = rows["video_id"].nunique()
    sampled = rows.loc[rows["frame"] >= 0, ["video_id", "frame"]].drop_duplicates()
    skips = rows.loc[rows["skip"] != "", "skip"].value_counts().to_dict()
    faces = int((rows["skip"] == "").sum())
    return Coverage(videos, videos - with_face, len(sampled), faces, {str(key): int(n) for key, n in skips.items()})
