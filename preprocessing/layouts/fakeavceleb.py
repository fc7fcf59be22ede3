"""FakeAVCeleb: VIDEO-AUDIO folders by origin, gender and person, and a table of methods."""

import csv
from collections.abc import Iterator
from pathlib import Path

from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import class_folder, find_media


@LAYOUT.register_module(module_name="fakeavceleb")
def fakeavceleb(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """FakeAVCeleb: <class folder>/<origin>/<gender>/<id>/x.mp4, all of it the test split.

    meta_data.csv, where it is there, tells the method of each file; else the class's name stands for it.
    """
    methods = _methods(root)
    for entry in config.classes:
        folder = class_folder(config, root, entry)
        for found in find_media(folder.path):
            person = found.inner.parent.name
            method = methods.get((entry.folders[0], person, found.path.name))
            yield folder.clip(found, split="test", method=method, identities=(person, ""))


def _methods(root: Path) -> dict[tuple[str, str, str], str]:
    """(class folder, person, file without suffix) to method."""
    path = root / "meta_data.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row.get("type") or "", row.get("source") or "", Path(row.get("path") or "").stem): row["method"]
        for row in rows
        if row.get("method")
    }
