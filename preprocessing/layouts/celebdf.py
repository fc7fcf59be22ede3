"""Celeb-DF: media in class folders, and a list of the videos to be tested on."""

import csv
from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import class_folder, find_media

TEST_LIST = "List_of_testing_videos.txt"


@LAYOUT.register_module(module_name="celebdf")
def celebdf(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """Celeb-DF: List_of_testing_videos.txt names the test split, the rest is train.

    An optional methods.csv (path, method) at the root tells manipulations of one folder apart.
    """
    tested = _test_list(root)
    methods = _methods(root)
    for entry in config.classes:
        folder = class_folder(config, root, entry)
        media = {f"{entry.folders[0]}/{found.inner.as_posix()}": found for found in find_media(folder.path)}
        for listed, found in media.items():
            split = "test" if listed in tested else "train"
            people = _identities(found.inner.name, entry.label)
            yield folder.clip(found, split=split, method=methods.get(listed), identities=people)
        for listed in sorted(tested - media.keys()):
            if listed.startswith(f"{entry.folders[0]}/"):
                yield folder.absent(root / f"{listed}.mp4", "test")


def _test_list(root: Path) -> set[str]:
    path = root / TEST_LIST
    if not path.is_file():
        raise InputError(f"{path} is missing; it names Celeb-DF's test videos")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.split(maxsplit=1)[1].strip().rpartition(".")[0] for line in lines if len(line.split()) > 1}


def _methods(root: Path) -> dict[str, str]:
    path = root / "methods.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["path"].rpartition(".")[0]: row["method"] for row in csv.DictReader(file)}


def _identities(name: str, label: int) -> tuple[str, str]:
    """Target and source: of a fake id0_id1_0000 whose video it is and whose face, of a real id0_0000 the one person."""
    target, _, rest = name.partition("_")
    return target, rest.partition("_")[0] if label else ""
