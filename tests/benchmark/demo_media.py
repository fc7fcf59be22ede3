"""The demo's media, of as few people as it takes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.demo.build import STILLS, build_demo
from benchmark.demo.portraits import find_pictures

PEOPLE = 16
SETS = ("DemoFF", "DemoX")


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen of the stills in a nested folder, with files that are no portraits."""
    folder = tmp_path_factory.mktemp("faces")
    for index, still in enumerate(find_pictures(STILLS)[:PEOPLE]):
        copy = folder / ("a" if index % 2 else "b") / still.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(still.read_bytes())
    (folder / "broken.jpg").write_bytes(b"not a picture")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no picture either")
    cv2.imwrite(str(folder / "grey.png"), np.full((300, 300, 3), 127, np.uint8))
    return folder


@pytest.fixture(scope="session")
def demo(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DemoFF and DemoX of these."""
    out = tmp_path_factory.mktemp("demo")
    calls: list[tuple[int, int]] = []
    build_demo(out, SETS, faces=faces, workers=2, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, PEOPLE) for done in range(1, PEOPLE + 1)]
    return out
