"""How data sets lie on disk: each layout walks a root and lists its clips with their split, class and identities."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError, unknown
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import ABSENT, Clip
from preprocessing.layouts.media import SPLITS, find_folder

log = logging.getLogger(__name__)

DEPTH_OF_SEARCH = 3
MOST_FOLDERS = 2000
MOST_NAMES = 6


def list_clips(
    config: DatasetConfig, root: Path, compression: str | None = None, *, absent: bool = False
) -> list[Clip]:
    """All clips of a data set below `root`, in a fixed order.

    Args:
        config: the data set's description.
        root: the folder that holds it.
        compression: only this level of an FF++-like set; None for all that are there.
        absent: whether media that a list names and that are not there are listed too, with skip ABSENT; else their
            number is logged.

    Raises:
        InputError: no such folder, one that cannot be read, or one that looks like another level of the data set; no
            such compression level; a split file is missing or broken; a file has two labels; or nothing was found.
    """
    if not root.is_dir():
        raise InputError(f"--root: no such folder: {root}")
    if compression is not None and compression not in config.compressions:
        raise unknown(f"compression level of {config.name}", compression, config.compressions)
    try:
        clips = [clip for clip in _walk(config, root) if compression in (None, clip.compression)]
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    missing = [clip for clip in clips if clip.skip == ABSENT]
    if len(missing) == len(clips):
        raise InputError(_nothing_found(config, root, compression))
    _refuse_two_labels(clips)
    if missing and not absent:
        log.warning("%s: %d listed files are not there, such as %s", config.name, len(missing), missing[0].name)
        clips = [clip for clip in clips if clip.skip != ABSENT]
    return sorted(clips, key=lambda clip: clip.video_id)


def _walk(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    if not _looks_right(config, root):
        raise InputError(_wrong_root(config, root))
    yield from LAYOUT[config.layout](config, root)


def _nothing_found(config: DatasetConfig, root: Path, compression: str | None) -> str:
    if config.listing is not None:
        return f"{config.listing} names no video or image that is below {root}"
    level = f" of compression {compression}" if compression else ""
    return f"no video or image{level} below {root}; {config.name} is expected to have {_folders(config)} there"


def _refuse_two_labels(clips: list[Clip]) -> None:
    label_of: dict[Path, int] = {}
    for clip in clips:
        for path in clip.files[:1]:
            if label_of.setdefault(path, clip.label) != clip.label:
                raise InputError(f"{path} is listed both as real and as fake")


def _folders(config: DatasetConfig) -> str:
    """The folders that a data set's root holds, in words: those that name a class before those that name a split."""
    firsts = [[path.partition("/")[0] for path in entry.folders] for entry in config.classes]
    plain = [next((first for first in choice if first != "{split}"), "") for choice in firsts]
    names = list(dict.fromkeys([*filter(None, plain), *(config.splits.values() if "" in plain else ())]))
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _looks_right(config: DatasetConfig, root: Path) -> bool:
    """Whether the path of any class begins here."""
    splits = config.splits.values() or SPLITS
    paths = {path.replace("{split}", split) for entry in config.classes for path in entry.folders for split in splits}
    return not paths or any(find_folder(root, first) for first in {path.partition("/")[0] for path in paths})


def _wrong_root(config: DatasetConfig, root: Path) -> str:
    near = next((folder for folder in _near(root) if _looks_right(config, folder)), None)
    advice = f"; {near} looks right" if near else ""
    return (
        f"--root: {root} does not look like {config.name}, which is expected to have {_folders(config)} there{advice}"
    )


def _near(root: Path) -> Iterator[Path]:
    """Folders around a wrong root: those in it, then those that it is in."""
    level = [root]
    for _ in range(DEPTH_OF_SEARCH):
        inside = sorted(entry for folder in level for entry in folder.iterdir() if entry.is_dir())
        level = [entry for entry in inside if os.access(entry, os.R_OK | os.X_OK)][:MOST_FOLDERS]
        yield from level
    yield from list(root.resolve().parents)[:DEPTH_OF_SEARCH]
