"""What the demo's own builder makes, but small: a few clips of two frames in the layouts of its two data sets."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.demo import light, prepare
from tests.faces import still
from tests.media import write_video

SPLITS = {"train": [["000", "001"], ["002", "003"]], "val": [["004", "005"]], "test": [["006", "007"]]}
SIDE = 256


def write_clip(path: Path, person: int, blur: float = 0) -> None:
    """Two frames of a still, its middle blurred for a fake."""
    frame = cv2.resize(still(person), (SIDE, SIDE))
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    if blur:
        frame[middle, middle] = cv2.GaussianBlur(frame[middle, middle], (0, 0), blur)
    write_video(path, np.stack([frame, frame]))


def build_small(out: Path, *_: object) -> None:
    """Build it, unless it is there."""
    if (out / "demo.json").is_file():
        return
    (out / "DemoFF").mkdir(parents=True)
    for split, pairs in SPLITS.items():
        (out / "DemoFF" / f"{split}.json").write_text(json.dumps(pairs))
        for target, source in [order for pair in pairs for order in (pair, pair[::-1])]:
            write_clip(out / f"DemoFF/original_sequences/demo/c23/videos/{target}.mp4", int(target))
            forged = out / f"DemoFF/manipulated_sequences/LandmarkSwap/c23/videos/{target}_{source}.mp4"
            write_clip(forged, int(target), blur=3)
    listed = []
    for person in (0, 1, 2):
        names = {0: f"Celeb-real/id{person}_0000.mp4", 5: f"Celeb-synthesis/id{person}_id{person + 1}_0000.mp4"}
        for blur, name in names.items():
            write_clip(out / "DemoX" / name, 8 + person, blur)
            listed.append(f"{int(not blur)} {name}\n")
    (out / "DemoX" / "List_of_testing_videos.txt").write_text("".join(listed))
    (out / "demo.json").write_text("{}")


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo on these clips, its baseline trained for one epoch."""
    monkeypatch.setattr(prepare, "build_demo", build_small)
    monkeypatch.setattr(light, "EPOCHS", 1)
