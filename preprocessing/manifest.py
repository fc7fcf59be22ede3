"""The manifest: one Parquet for each data set and profile, a row for each face, and a row for each skip."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from config.errors import InputError
from config.files import atomic_path

FORMAT = 1
META = b"assay"
ORDER = ["split", "label", "class_name", "compression", "video_id", "frame", "face"]

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
        rows: mappings with the fields of Row.
        meta: what made it (profile, predictor, versions); kept in the file.
    """
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA)
    table = table.sort_by([(column, "ascending") for column in ORDER])
    header = json.dumps({"format": FORMAT, **meta}, sort_keys=True)
    table = table.replace_schema_metadata({META: header.encode()})
    with atomic_path(path) as scratch:
        pq.write_table(table, scratch, write_page_checksum=True)


def read_manifest(
    path: Path, columns: Sequence[str] | None = None, filters: list[tuple[str, str, Any]] | None = None
) -> pd.DataFrame:
    """Rows of a manifest in canonical order.

    Args:
        path: the Parquet file.
        columns: only these; None for all.
        filters: pyarrow's, for example [("split", "==", "test")].

    Raises:
        InputError: missing, no Parquet file, no manifest, or of another format.
    """
    manifest_meta(path)
    wanted = None if columns is None else list(columns)
    try:
        table = pq.read_table(path, columns=wanted, filters=filters, partitioning=None, page_checksum_verification=True)
        return table.to_pandas()
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
    ordered = rows.sort_values(ORDER, kind="stable")[sorted(set(rows.columns) - {"store"})]
    return hashlib.sha256(ordered.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


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
