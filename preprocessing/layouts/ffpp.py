"""FaceForensics++ and what shares its tree: CLASS/COMPRESSION/videos/000_003.mp4, masks beside them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.errors import InputError
from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import SPLITS, ClassFolder, class_folder, find_media, mask_videos


@LAYOUT.register_module(module_name="ffpp")
def ffpp(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """FaceForensics++; {train,val,test}.json list id pairs, and a_b as well as b_a are of the pair's split.

    The first id of a name is the target (whose video it is), the second the source (whose face came in).
    """
    pairs = read_splits(root)
    split_of = {identity: split for split, listed in pairs.items() for pair in listed for identity in pair}
    for folder in _class_folders(config, root):
        media, masks = find_media(folder.path), mask_videos(root, folder.entry.masks)
        for found in media:
            target, _, source = found.inner.name.partition("_")
            split, mask = split_of.get(target, ""), masks.get(found.inner.name)
            yield folder.clip(found, split=split, mask=mask, identities=(target, source))
        there = {found.inner.name for found in media}
        for name, split in _listed(pairs, folder.entry).items():
            if media and name not in there:
                yield folder.absent(folder.path / f"{name}.mp4", split)


@LAYOUT.register_module(module_name="dfd")
def dfd(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DeepFakeDetection, in FaceForensics++'s tree: actors as 01__scene, fakes as 01_02__scene__id; no split files."""
    for folder in _class_folders(config, root):
        masks = mask_videos(root, folder.entry.masks)
        for found in find_media(folder.path):
            target, _, source = found.inner.name.partition("__")[0].partition("_")
            yield folder.clip(found, split="test", mask=masks.get(found.inner.name), identities=(target, source))


def read_splits(root: Path) -> dict[str, list[tuple[str, ...]]]:
    """The id pairs of each split, from FaceForensics++'s own files at its root.

    Raises:
        InputError: a file is missing or is no list of pairs, or an id is in two splits.
    """
    pairs: dict[str, list[tuple[str, ...]]] = {}
    split_of: dict[str, str] = {}
    for split in SPLITS:
        path = root / f"{split}.json"
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path} is missing; FaceForensics++'s split files belong at the root") from None
        except ValueError:
            raise InputError(f"{path} is not JSON") from None
        if not _are_pairs(listed):
            raise InputError(f'{path}: expected a list of pairs of ids, such as [["000", "003"]]')
        pairs[split] = [tuple(pair) for pair in listed]
        for identity in (identity for pair in pairs[split] for identity in pair):
            if split_of.setdefault(identity, split) != split:
                raise InputError(f"{path}: id {identity} is in {split_of[identity]}.json too")
    return pairs


def _are_pairs(listed: Any) -> bool:
    return isinstance(listed, list) and all(
        isinstance(pair, list) and all(isinstance(identity, str) for identity in pair) for pair in listed
    )


def _class_folders(config: DatasetConfig, root: Path) -> list[ClassFolder]:
    """The folder of each class at each compression level."""
    return [class_folder(config, root, entry, level) for entry in config.classes for level in config.compressions]


def _listed(pairs: dict[str, list[tuple[str, ...]]], entry: ClassConfig) -> dict[str, str]:
    """Names of the videos that a class should have, with their splits."""
    if entry.label == 0:
        return {identity: split for split, listed in pairs.items() for pair in listed for identity in pair}
    both_ways = [(split, pair) for split, listed in pairs.items() for pair in listed if len(pair) > 1]
    return {"_".join(names): split for split, pair in both_ways for names in (pair, pair[::-1])}
