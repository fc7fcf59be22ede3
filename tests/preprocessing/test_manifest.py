"""Manifests: canonical order, hashes, counts, and files that are none."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from config.errors import InputError
from preprocessing.manifest import (
    Row,
    coverage,
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
