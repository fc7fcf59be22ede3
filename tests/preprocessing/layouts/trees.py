"""Synthetic trees in the layouts of the data sets, with real small files."""

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from config.load import load_config
from config.schema import DatasetConfig
from preprocessing.clips import Clip
from preprocessing.layouts import list_clips
from tests.media import write_video


def tree(root: Path, *names: str) -> Path:
    """Media at these paths below the root: videos of three frames, images, or an empty folder for a final slash."""
    for number, name in enumerate(names):
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        elif path.suffix in {".png", ".jpg"}:
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((32, 32, 3), number % 256, np.uint8))
        else:
            write_video(path, [number % 256, 50, 100])
    return root


def ffpp_splits(root: Path, train: Iterable[str] = (), val: Iterable[str] = (), test: Iterable[str] = ()) -> None:
    """Split files in FaceForensics++'s form, from pairs such as "000_003"."""
    root.mkdir(parents=True, exist_ok=True)
    for split, pairs in {"train": train, "val": val, "test": test}.items():
        (root / f"{split}.json").write_text(json.dumps([pair.split("_") for pair in pairs]))


def clips_of(name: str, root: Path, **options) -> dict[str, Clip]:
    """The clips of a shipped data set by name."""
    return {clip.name: clip for clip in list_clips(load_config(DatasetConfig, name), root, **options)}
