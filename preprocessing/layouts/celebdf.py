"""Celeb-DF: media in class folders, and a list of the videos to be tested on."""

import csv
from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError, unknown
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.labels import relative_path
from preprocessing.layouts.media import class_folder, find_media

TEST_LIST = "List_of_testing_videos.txt"


@LAYOUT.register_module(module_name="celebdf")
def celebdf(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """Celeb-DF: List_of_testing_videos.txt names the test split, the rest is train.

    An optional methods.csv (path, method) at the root tells manipulations of one folder apart.
    """
    tested = _test_list(root, [entry.folders[0] for entry in config.classes])
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


def _test_list(root: Path, folders: list[str]) -> set[str]:
    """The test videos as FOLDER/NAME. What was misread here would be trained on, so that no line may be in doubt."""
    path = root / TEST_LIST
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path} is missing; it names Celeb-DF's test videos") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected a text file in UTF-8") from None
    tested: set[str] = set()
    for number, line in enumerate(lines, start=1):
        where, words = f"{path}, line {number}", line.split(maxsplit=1)
        if not words:
            continue
        if len(words) == 1:
            raise InputError(f"{where}: expected a label and a path, such as '1 YouTube-real/00170.mp4'")
        video = relative_path(words[1], where)
        if video.parts[0] not in folders:
            raise unknown(f"folder in {where}:", video.parts[0], folders)
        tested.add(video.with_suffix("").as_posix())
    if not tested:
        raise InputError(f"{path} is empty; it should name Celeb-DF's test videos")
    return tested


def _methods(root: Path) -> dict[str, str]:
    path = root / "methods.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"path", "method"} <= set(reader.fieldnames or ()):
            raise InputError(f"{path}: expected a CSV with the columns path and method")
        return {row["path"].rpartition(".")[0]: row["method"] for row in reader}


def _identities(name: str, label: int) -> tuple[str, str]:
    """Target and source: of a fake id0_id1_0000 whose video it is and whose face, of a real id0_0000 the one person."""
    target, _, rest = name.partition("_")
    return target, rest.partition("_")[0] if label else ""
