"""Data sets whose folders say everything: which class, and which split."""

from collections.abc import Iterator
from pathlib import Path

from config.schema import ClassConfig, DatasetConfig, Split
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.media import SPLITS, ClassFolder, find_folder, find_media, mask_videos


@LAYOUT.register_module(module_name="folders")
def folders(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """One folder for each class; `{split}` in its path stands for a split, and without it all is the test split."""
    for entry in config.classes:
        for split, path in _split_folders(config, entry, root):
            folder, named = ClassFolder(config, root, entry, path), config.splits.get(split, split)
            masks = mask_videos(root, entry.masks and entry.masks.replace("{split}", named))
            for found in find_media(path, stills=config.stills):
                yield folder.clip(found, split=split, mask=masks.get(found.inner.name))


def _split_folders(config: DatasetConfig, entry: ClassConfig, root: Path) -> Iterator[tuple[Split, Path]]:
    """(split, folder) of a class: those of the first of its paths that is there for any split."""
    splits = {split: config.splits.get(split, split) for split in config.splits or SPLITS}
    for pattern in entry.folders:
        tried = {split: find_folder(root, pattern.replace("{split}", folder)) for split, folder in splits.items()}
        there = {split: folder for split, folder in tried.items() if folder is not None}
        if there:
            one: list[tuple[Split, Path]] = [("test", next(iter(there.values())))]
            yield from there.items() if "{split}" in pattern else one
            return
