"""DeepfakeBench's dataset JSON: writing it from a manifest, and reading one into manifest rows."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from config.errors import InputError
from preprocessing.manifest import SCHEMA, Row
from preprocessing.store import mask_key

# The sets whose JSON has a compression level between split and video; their fakes list masks, except FaceShifter's.
LEVELLED = {
    "FaceForensics++",
    "FF-DF",
    "FF-F2F",
    "FF-FS",
    "FF-NT",
    "FaceShifter",
    "DeepFakeDetection",
}


def to_dfb_json(rows: pd.DataFrame) -> dict[str, Any]:
    """The rows of one data set nested as {NAME: {class: {split: [{compression:] {video: {label, frames, masks}}}}}.

    The level of compression is there for the seven FF++-like sets alone. Videos are named by their folder, and by their
    id where two of a class share a name.
    """
    stored = rows[rows["skip"] == ""]
    name = str(stored["dataset"].iloc[0])
    nested: dict[str, Any] = {}
    for video_id, frames in stored.groupby("video_id", sort=False):
        first = frames.iloc[0]
        node = nested.setdefault(first["class_name"], {}).setdefault(first["split"], {})
        if name in LEVELLED:
            node = node.setdefault(first["compression"], {})
        keys = frames.sort_values(["frame", "face"])["key"].tolist()
        video = {"label": first["class_name"], "frames": keys}
        if first["label"] == 1 and name in LEVELLED and first["class_name"] != "FF-FH":
            video["masks"] = [mask_key(key) for key in keys]
        folder = PurePosixPath(keys[0]).parent.name
        node[str(video_id) if folder in node else folder] = video
    return {name: nested}


def read_dfb_json(path: Path, labels: dict[str, int], store: str) -> list[Row]:
    """Manifest rows of a DeepfakeBench JSON, with or without compression level, with either slash.

    Args:
        path: the JSON file; its one top-level key is the data set's name.
        labels: class name -> 0 or 1 (`label_dict`).
        store: the LMDB folder the frames are in, relative to where the manifest will be.

    Raises:
        InputError: not such a JSON, or a class that `labels` does not know.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{path} is not JSON") from None
    if not isinstance(document, dict) or len(document) != 1:
        raise InputError(f"{path}: expected one top-level key, the data set's name")
    ((name, classes),) = document.items()
    try:
        return [
            _row(name, class_name, split, level, video, frame, number, labels, store)
            for class_name, splits in classes.items()
            for split, content in splits.items()
            for level, videos in _levels(content)
            for video, entry in videos.items()
            for number, frame in enumerate(entry["frames"])
        ]
    except (AttributeError, TypeError, KeyError) as error:
        if isinstance(error, KeyError) and error.args[0] in classes:
            raise InputError(f"{path}: class '{error.args[0]}' is in no label dictionary") from None
        raise InputError(f"{path}: not nested as class, split, video, frames") from None


def rows_frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as the table that `read_manifest` would give."""
    return pd.DataFrame([{column: getattr(row, column) for column in SCHEMA.names} for row in rows])


def _levels(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(compression, videos): a video has frames, a level of compression has videos."""
    levelled = all("frames" not in entry for entry in content.values()) and content
    yield from content.items() if levelled else [("", content)]


def _row(
    name: str,
    class_name: str,
    split: str,
    level: str,
    video: str,
    frame: str,
    number: int,
    labels: dict[str, int],
    store: str,
) -> Row:
    key = _key(frame, name)
    stem = PurePosixPath(key).stem
    folder = PurePosixPath(key).parent.as_posix()
    return Row(
        dataset=name,
        split=split,
        label=labels[class_name],
        class_name=class_name,
        method=class_name,
        compression=level,
        video_id="/".join(part for part in (name, class_name, level, folder.removeprefix(f"{name}/")) if part),
        media="video",
        identity_target="",
        identity_source="",
        store=store,
        source_path=folder,
        sha1="",
        frame=int(stem) if stem.isdigit() else number,
        face=0,
        key=key,
    )


def _key(frame: str, name: str) -> str:
    """The frame's path in POSIX form from the data set's folder on, whatever prefix or slashes it came with."""
    parts = PurePosixPath(str(frame).replace("\\", "/")).parts
    if ".." in parts:
        raise InputError(f"a frame path leaves its root: {frame}")
    return PurePosixPath(*parts[parts.index(name) :]).as_posix() if name in parts else PurePosixPath(*parts).as_posix()
