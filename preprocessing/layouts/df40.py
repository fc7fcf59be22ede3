"""DF40: a folder for each of 40 methods, whose insides differ from method to method and are told by looking."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.ffpp import read_splits
from preprocessing.layouts.media import ClassFolder, Found, find_folder, find_media

DOMAINS = ("ff", "cdf")
KINDS = ("real", "fake")
ASSUMED = ("ff", "fake")  # what a method's folder holds that has no level of domain or kind
BORROWED = "of another data set"  # in place of a split that is not known yet
# Folders that hold stills of many people, and no video's frames.
FLAT = frozenset({"fake", "real", "inversions"})


@LAYOUT.register_module(module_name="df40")
def df40(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DF40; a class's folder is a method's and the domain (ff, cdf) or kind (fake, real) in it.

    The level of the domain or kind may lack, a method's folder may hold another of its name, and letters may be of
    either case. Reals that were taken from FaceForensics++ have that data set's splits, or those of the fakes made
    from them.
    """
    clips = [clip for entry in config.classes for clip in _class_clips(config, entry, root)]
    split_of = _splits(root, clips)
    for clip in clips:
        is_borrowed = clip.split == BORROWED
        yield replace(clip, split=split_of.get(clip.identity_target, "test")) if is_borrowed else clip


def method_folder(parent: Path, path: str) -> Path | None:
    """The folder of METHOD/LEVEL below a split's folder, or None.

    The method's folder may hold nothing but one folder whose name begins like its own. Without any level, as some
    archives of DF40_train are, it holds ff's frames, or fakes.
    """
    method, _, level = path.partition("/")
    folder = find_folder(parent, method)
    if folder is None:
        return None
    inside = [entry for entry in folder.iterdir() if entry.is_dir()]
    if len(inside) == 1 and inside[0].name.casefold().startswith(method.casefold()):
        folder = inside[0]
    there = find_folder(folder, level)
    siblings = DOMAINS if level in DOMAINS else KINDS
    is_missing = not any(find_folder(folder, name) for name in siblings)
    return there or (folder if is_missing and level in ASSUMED else None)


def _class_clips(config: DatasetConfig, entry: ClassConfig, root: Path) -> Iterator[Clip]:
    for split, path in _folders(config, entry, root):
        folder = ClassFolder(config, root, entry, path)
        for found in find_media(path, flat=FLAT):
            yield folder.clip(
                found,
                split=split,
                mask=_beside(found, "masks"),
                landmarks=_beside(found, "landmarks"),
                identities=_identities(found, entry.label),
            )


def _folders(config: DatasetConfig, entry: ClassConfig, root: Path) -> Iterator[tuple[str, Path]]:
    """(split, folder) of a class; the split is BORROWED for reals that came from another data set."""
    borrowed = [find_folder(root, pattern) for pattern in entry.folders if "{split}" not in pattern]
    yield from [(BORROWED, folder) for folder in borrowed if folder is not None][:1]
    for split, name in config.splits.items():
        parent = find_folder(root, name)
        own = [pattern.removeprefix("{split}/") for pattern in entry.folders if "{split}" in pattern]
        there = [folder for path in own if parent and (folder := method_folder(parent, path)) is not None]
        yield from [(split, folder) for folder in there][:1]


def _splits(root: Path, clips: list[Clip]) -> dict[str, str]:
    """Split of a FaceForensics++ id: the official one, or that of the fakes on it, of two splits the test."""
    official = find_folder(root, "FaceForensics++")
    if official is not None and (official / "train.json").is_file():
        pairs = read_splits(official)
        return {identity: split for split, listed in pairs.items() for pair in listed for identity in pair}
    split_of: dict[str, str] = {}
    for clip in sorted(clips, key=lambda clip: clip.split, reverse=True):  # train before test, which then stays
        if clip.label:
            split_of[clip.identity_target] = clip.split
    return split_of


def _identities(found: Found, label: int) -> tuple[str, str]:
    """Target and source, from names as 000_003, id0_id1_0000, and, without a source, 000 or id0_0000."""
    if not found.is_video:
        return "", ""
    target, _, rest = found.inner.name.partition("_")
    source = rest.partition("_")[0]
    return target, source if label and source.startswith("id") == target.startswith("id") else ""


def _beside(found: Found, kind: str) -> Path | None:
    """The folder of masks or landmarks that belongs to a folder of frames: .../frames/000 -> .../masks/000."""
    if not found.is_frames or found.path.parent.name != "frames":
        return None
    folder = found.path.parent.with_name(kind) / found.path.name
    return folder if folder.is_dir() else None
