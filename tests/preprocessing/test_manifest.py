"""Manifests: canonical order, hashes, counts, and files that are none."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from preprocessing import manifest
from preprocessing.manifest import (
    ORDER,
    SCHEMA,
    Row,
    coverage,
    join_manifests,
    manifest_meta,
    manifest_sha256,
    read_manifest,
    write_manifest,
)


def row(video: str, frame: int, skip: str = "", **changes) -> dict:
    face = -1 if skip else 0
    fields = {
        "dataset": "D",
        "split": "test",
        "label": 0,
        "class_name": "real",
        "method": "real",
        "compression": "c23",
        "video_id": f"D/real/{video}",
        "media": "video",
        "identity_target": video,
        "identity_source": "",
        "store": "D_lmdb",
        "source_path": f"{video}.mp4",
        "sha1": "00",
        "frame": frame,
        "face": face,
        "key": "" if skip else f"D/frames/{video}/{frame:03d}.png",
        "skip": skip,
    }
    return asdict(Row(**(fields | changes)))


ROWS = [row("b", 3), row("a", 4, "no face"), row("a", 2), row("c", -1, "unreadable media: not a video")]


def test_rows_come_back_in_canonical_order_with_their_meta(tmp_path: Path):
    write_manifest(tmp_path / "m.parquet", ROWS, {"predictor": "p"})
    rows = read_manifest(tmp_path / "m.parquet")
    assert list(zip(rows["video_id"], rows["frame"], strict=True)) == [
        ("D/real/a", 2),
        ("D/real/a", 4),
        ("D/real/b", 3),
        ("D/real/c", -1),
    ]
    assert manifest_meta(tmp_path / "m.parquet")["predictor"] == "p"


def test_columns_and_filters(tmp_path: Path):
    write_manifest(tmp_path / "m.parquet", [*ROWS, row("z", 0, split="train")], {})
    rows = read_manifest(tmp_path / "m.parquet", ["video_id"], [("split", "==", "train")])
    assert rows.to_dict("list") == {"video_id": ["D/real/z"]}


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a large manifest: rows come in several batches and go to several groups."""
    monkeypatch.setattr(manifest, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(manifest, "ROWS_OF_A_GROUP", 4)


MANY = [
    row(name, frame, split=split, compression=level)
    for frame in (0, 7)
    for name in "cab"
    for level in ("c40", "c23")
    for split in ("val", "train", "test")
]


def damage(path: Path, columns: list[str], groups: list[int]) -> None:
    """Turn all bits of some columns in some groups of rows."""
    content, meta = bytearray(path.read_bytes()), pq.ParquetFile(path).metadata
    for group in groups:
        for chunk in (meta.row_group(group).column(SCHEMA.names.index(column)) for column in columns):
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            end = start + chunk.total_compressed_size
            content[start:end] = bytes(255 - byte for byte in content[start:end])
    path.write_bytes(content)


def test_a_filter_passes_over_groups_and_columns_of_no_use(tmp_path: Path, small_steps):
    path = tmp_path / "m.parquet"
    write_manifest(path, MANY, {})
    whole = read_manifest(path)
    splits = [set(whole["split"][start : start + 4]) for start in range(0, len(whole), 4)]
    damage(path, SCHEMA.names, [number for number, found in enumerate(splits) if "test" not in found])
    damage(path, ["key", "sha1"], [number for number, found in enumerate(splits) if "test" in found])
    columns, chosen = ["video_id", "frame"], (whole["split"] == "test") & (whole["compression"] == "c23")
    found = read_manifest(path, columns, [("split", "==", "test"), ("compression", "==", "c23")])
    pd.testing.assert_frame_equal(found, whole.loc[chosen, columns].reset_index(drop=True))
    for refused in ({"columns": columns}, {"filters": [("split", "==", "test")]}):
        with pytest.raises(InputError, match="not a whole Parquet"):
            read_manifest(path, **refused)


def write_in_one_piece(path: Path, rows: list[dict]) -> None:
    """As the first version wrote them: one group, sorted as text."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA).sort_by([(column, "ascending") for column in ORDER])
    pq.write_table(table.replace_schema_metadata({manifest.META: json.dumps({"format": 1}).encode()}), path)


def test_rows_are_those_of_a_manifest_in_one_piece_which_is_still_read(tmp_path: Path, small_steps):
    old, new, joined = (tmp_path / f"{name}.parquet" for name in ("old", "new", "joined"))
    scored = [row("ä", 3, detector_score=0.25), row("Z", 3, "no face"), *MANY]
    write_in_one_piece(old, scored)
    write_manifest(new, (entry for entry in scored), {})
    pd.testing.assert_frame_equal(read_manifest(new), read_manifest(old))
    assert pq.ParquetFile(new).num_row_groups > 1
    for name, part in (("a", scored[1::2]), ("b", scored[::2])):
        write_manifest(tmp_path / f"{name}.parquet", part, {})
    join_manifests(joined, [tmp_path / "a.parquet", tmp_path / "b.parquet"], {"made": "of parts"})
    pd.testing.assert_frame_equal(read_manifest(joined), read_manifest(old))
    assert manifest_meta(joined)["made"] == "of parts"


def test_a_manifest_may_have_no_rows(tmp_path: Path):
    write_manifest(tmp_path / "m.parquet", [], {})
    assert list(read_manifest(tmp_path / "m.parquet")) == SCHEMA.names
    assert manifest_sha256(read_manifest(tmp_path / "m.parquet")) != manifest_sha256(pd.DataFrame([row("a", 0)]))


TEXT = st.text(st.sampled_from("ab,\"\n\r '\\é"), max_size=4)
SCORES = st.none() | st.floats(0, 10, width=32)


@given(st.lists(st.tuples(TEXT, TEXT, st.integers(-1, 200), SCORES), max_size=9))
@settings(deadline=None, max_examples=40)
def test_the_hash_is_that_of_a_csv_by_pandas(entries: list[tuple]):
    rows = [row(video, frame, source_path=path, detector_score=score) for video, path, frame, score in entries]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest, "ROWS_AT_ONCE", 3)
        write_manifest(Path(folder) / "m.parquet", rows, {})
        read = read_manifest(Path(folder) / "m.parquet")
        for table in (read, pd.DataFrame(rows, columns=SCHEMA.names)):
            ordered = table.sort_values(ORDER, kind="stable")[sorted(set(SCHEMA.names) - {"store"})]
            text = ordered.to_csv(index=False, lineterminator="\n")
            assert manifest_sha256(table) == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_is_of_the_rows_not_of_their_order_or_file(tmp_path: Path):
    write_manifest(tmp_path / "m.parquet", ROWS, {})
    write_manifest(tmp_path / "n.parquet", reversed(ROWS), {"other": "meta"})
    first, second = read_manifest(tmp_path / "m.parquet"), read_manifest(tmp_path / "n.parquet")
    assert manifest_sha256(first) == manifest_sha256(second.sample(frac=1, random_state=0))
    changed = pd.concat([first.iloc[:-1], first.iloc[-1:].assign(label=1)])
    assert manifest_sha256(first) != manifest_sha256(changed)


def test_coverage_counts_frames_faces_and_skips(tmp_path: Path):
    write_manifest(tmp_path / "m.parquet", ROWS, {})
    counts = coverage(read_manifest(tmp_path / "m.parquet"))
    assert (counts.videos, counts.videos_without_face, counts.frames, counts.faces) == (3, 1, 3, 2)
    assert counts.skips == {"no face": 1, "unreadable media: not a video": 1}


def test_files_that_are_no_manifest(tmp_path: Path):
    path = tmp_path / "m.parquet"
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(path)
    write_manifest(path, ROWS, {})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="not a whole Parquet"):
        read_manifest(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(path)
    assert not list(tmp_path.glob(".*tmp"))
