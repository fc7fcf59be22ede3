"""DeepfakeBench's dataset JSON: nesting, names and spellings of paths on the way out, and a strict way in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from config.errors import InputError
from preprocessing.layouts import SPLITS
from preprocessing.store import sibling_keys

# The sets of FaceForensics++'s tree and their classes. Their JSONs have a level of compression between split and video,
# their fakes list masks, except FaceShifter's, and they share one LMDB.
POOL: Mapping[str, tuple[str, ...]] = {
    "FaceForensics++": ("FF-real", "FF-DF", "FF-F2F", "FF-FS", "FF-NT"),
    "FF-DF": ("FF-real", "FF-DF"),
    "FF-F2F": ("FF-real", "FF-F2F"),
    "FF-FS": ("FF-real", "FF-FS"),
    "FF-NT": ("FF-real", "FF-NT"),
    "FaceShifter": ("FF-real", "FF-FH"),
    "DeepFakeDetection": ("DFD_real", "DFD_fake"),
}
POOL_NAME = "FaceForensics++"
UNMASKED = "FF-FH"
UNSPLIT = ("DeepFakeDetection", "UADFV")  # without an official split
BACKSLASH = "\\"
# JSON can spell halves of characters, which no file name and no LMDB key can hold.
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """One video of a JSON.

    Attributes:
        class_name, split, name: the keys that it stands under.
        label_name: its `label`, which DeepfakeBench looks up; the class name as a rule.
        compression: the level that it stands under, "" where the JSON has no levels.
        frames: paths as they are written.
    """

    class_name: str
    label_name: str
    split: str
    compression: str
    name: str
    frames: tuple[str, ...]


def spell(key: str, separator: str) -> str:
    """A key as DeepfakeBench writes it: its own JSONs and LMDBs have backslashes."""
    return key.replace("/", separator)


def selections(name: str, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The JSONs that a data set's rows make, by name: FaceForensics++ also gives FF-DF and the others of its tree."""
    if name != POOL_NAME:
        return {name: rows}
    chosen = {part: rows[rows["class_name"].isin(classes)] for part, classes in POOL.items()}
    return {part: of for part, of in chosen.items() if part == name or (of["label"] == 1).any()}


def to_dfb_json(name: str, rows: pd.DataFrame, separator: str = BACKSLASH, prefix: str = "") -> dict[str, Any]:
    """Rows nested as {NAME: {class: {split: {[compression:] {video: {label, frames, masks}}}}}}.

    The level of compression and the masks are there for the sets of `POOL` alone. Of `UNSPLIT` sets, which are test
    here, every video is in every split. Videos are named as at the end of
    their id, and by all of it where two of a class share a name.

    Args:
        name: the data set's name.
        rows: manifest rows of stored faces, one of each frame.
        separator: what stands between the folders of a path.
        prefix: what is put before every path.

    Raises:
        InputError: a set of `POOL` with videos of no level, or another one with several levels.
    """
    is_levelled = name in POOL
    _check_levels(name, rows, is_levelled)
    is_unsplit = name in UNSPLIT and set(rows["split"].unique()) == {"test"}
    nested: dict[str, Any] = {}
    for video_id, unordered in rows.groupby("video_id", sort=False):
        frames = unordered.sort_values("frame", kind="stable")
        first = frames.iloc[0]
        keys = frames["key"].tolist()
        video = {"label": first["class_name"], "frames": [prefix + spell(key, separator) for key in keys]}
        if is_levelled and first["label"] == 1 and first["class_name"] != UNMASKED:
            video["masks"] = [prefix + spell(mask, separator) for key in keys for mask in sibling_keys(key)[1:]]
        short = str(video_id).rpartition("/")[2]
        for split in SPLITS if is_unsplit else [first["split"]]:
            node = nested.setdefault(first["class_name"], {}).setdefault(split, {})
            if is_levelled:
                node = node.setdefault(first["compression"], {})
            node[str(video_id) if short in node else short] = video
    return {name: nested}


def read_dfb_json(path: Path) -> tuple[str, list[ListedVideo]]:
    """The data set's name and the videos of a DeepfakeBench JSON, with or without levels of compression.

    Raises:
        InputError: not such a JSON, or a name that cannot be a file's.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = json.loads(text)
        if HALF_CHARACTER.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON") from None
    if not isinstance(document, dict) or len(document) != 1:
        raise InputError(f"{path}: expected one top-level key, the data set's name")
    ((name, classes),) = document.items()
    if not name.isprintable() or PurePosixPath(name).name != name or "\\" in name or name[:1] in ("", "."):
        raise InputError(f"{path}: its top-level key {name!r} cannot be a data set's name")
    try:
        videos = [
            _video(class_name, split, level, video, entry)
            for class_name, splits in classes.items()
            for split, content in splits.items()
            for level, listed in _levels(content)
            for video, entry in listed.items()
        ]
    except (AttributeError, TypeError, KeyError):
        raise InputError(f"{path}: not nested as class, split, video, frames") from None
    strange = next((video.split for video in videos if video.split not in SPLITS), None)
    if strange is not None:
        raise InputError(f"{path}: '{strange}' stands where a split is expected ({', '.join(SPLITS)})")
    return name, videos


def _check_levels(name: str, rows: pd.DataFrame, is_levelled: bool) -> None:
    levels = sorted(rows["compression"].unique())
    if is_levelled and "" in levels:
        raise InputError(f"{name} has videos without a compression level, and DeepfakeBench's {name}.json needs one")
    if not is_levelled and len(levels) > 1:
        found = ", ".join(level or "none" for level in levels)
        raise InputError(f"{name} has several compression levels ({found}), its JSON none: choose one by --compression")


def _levels(content: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(compression, videos): a video has frames, a level of compression has videos."""
    levelled = all("frames" not in entry for entry in content.values()) and content
    yield from content.items() if levelled else [("", content)]


def _video(class_name: str, split: str, level: str, name: str, entry: dict[str, Any]) -> ListedVideo:
    frames, label = entry["frames"], entry.get("label", class_name)
    if not isinstance(frames, list) or not all(isinstance(text, str) for text in [label, *frames]):
        raise TypeError
    return ListedVideo(class_name, label, split, level, name, tuple(frames))
