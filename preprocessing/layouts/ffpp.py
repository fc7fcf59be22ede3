"""FaceForensics++ and what shares its tree: CLASS/COMPRESSION/videos/000_003.mp4, masks beside them."""

import json
from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError
from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import (
    SPLITS,
    UNLISTED,
    Found,
    absent_clip,
    class_folder,
    find_media,
    make_clip,
    mask_videos,
)


@LAYOUT.register_module(module_name="ffpp")
def ffpp(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """FaceForensics++; {train,val,test}.json list id pairs, and a_b as well as b_a are of the pair's split.

    The first id of a name is the target (whose video it is), the second the source (whose face came in).
    """
    pairs = read_splits(root)
    split_of = {identity: split for split, listed in pairs.items() for pair in listed for identity in pair}
    for entry, compression, base, media in _classes(config, root):
        masks = mask_videos(root, entry.masks)
        for found in media:
            target, _, source = found.inner.name.partition("_")
            split = split_of.get(target, "")
            yield make_clip(
                config,
                entry,
                root,
                base,
                found,
                split=split,
                compression=compression,
                mask=masks.get(found.inner.name),
                identity_target=target,
                identity_source=source,
                skip="" if split else UNLISTED,
            )
        there = {found.inner.name for found in media}
        for name, split in _listed(pairs, entry).items():
            if media and name not in there:
                yield absent_clip(config, entry, root, base / f"{name}.mp4", split=split, compression=compression)


@LAYOUT.register_module(module_name="dfd")
def dfd(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DeepFakeDetection, in FaceForensics++'s tree: actors as 01__scene, fakes as 01_02__scene__id; no split files."""
    for entry, compression, base, media in _classes(config, root):
        masks = mask_videos(root, entry.masks)
        for found in media:
            target, _, source = found.inner.name.partition("__")[0].partition("_")
            yield make_clip(
                config,
                entry,
                root,
                base,
                found,
                split="test",
                compression=compression,
                mask=masks.get(found.inner.name),
                identity_target=target,
                identity_source=source,
            )


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
            pairs[split] = [tuple(str(identity) for identity in pair) for pair in listed]
        except FileNotFoundError:
            raise InputError(f"{path} is missing; FaceForensics++'s split files belong at the root") from None
        except (OSError, ValueError, TypeError):
            raise InputError(f"{path}: expected a JSON list of pairs of ids") from None
        for identity in (identity for pair in pairs[split] for identity in pair):
            if split_of.setdefault(identity, split) != split:
                raise InputError(f"{path}: id {identity} is in {split_of[identity]}.json too")
    return pairs


def _classes(config: DatasetConfig, root: Path) -> Iterator[tuple[ClassConfig, str, Path, list[Found]]]:
    """Each class at each compression level that is there, with its folder and its media."""
    for entry in config.classes:
        for compression in config.compressions:
            base = class_folder(root, entry, compression)
            yield entry, compression, base, find_media(base)


def _listed(pairs: dict[str, list[tuple[str, ...]]], entry: ClassConfig) -> dict[str, str]:
    """Names of the videos that a class should have, with their splits."""
    if entry.label == 0:
        return {identity: split for split, listed in pairs.items() for pair in listed for identity in pair}
    both_ways = [(split, pair) for split, listed in pairs.items() for pair in listed if len(pair) > 1]
    return {"_".join(names): split for split, pair in both_ways for names in (pair, pair[::-1])}
