"""What layouts share: finding folders by name, media in folders, and making clips of them."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from config.schema import ClassConfig, DatasetConfig, Split
from preprocessing.clips import ABSENT, EMPTY, IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip, natural_key

SPLITS: tuple[Split, ...] = ("train", "val", "test")
UNLISTED = "in no split file"
# Levels that say nothing of the media below them, and what other tools leave beside the media.
TRANSPARENT = {"videos", "frames"}
BESIDE = {"landmarks", "masks"}


@dataclass(frozen=True, slots=True)
class Found:
    """Media found below a class folder.

    `path` is the file without its suffix, or the folder of frames; `inner` is the same relative to the class folder,
    without levels named videos or frames.
    """

    path: Path
    inner: Path
    files: tuple[Path, ...]
    is_video: bool
    is_frames: bool = False


def find_folder(root: Path, path: str) -> Path | None:
    """The folder at a relative path, upper and lower case alike; None if there is none."""
    folder = root
    for part in PurePosixPath(path).parts:
        exact = folder / part
        if not exact.is_dir():
            alike = sorted(entry for entry in _folders_in(folder) if entry.name.casefold() == part.casefold())
            if not alike:
                return None
            exact = alike[0]
        folder = exact
    return folder if folder.is_dir() else None


def class_folder(root: Path, entry: ClassConfig, compression: str = "") -> Path:
    """The first of a class's folders that is there, at a compression level; else where the first should be."""
    paths = [path.replace("{compression}", compression) for path in entry.folders]
    there = (find_folder(root, path) for path in paths)
    return next((folder for folder in there if folder is not None), root / paths[0])


def find_media(base: Path, *, flat: frozenset[str] = frozenset(), stills: bool = False) -> list[Found]:
    """Videos, folders of frames and still images below a class folder.

    Images in a folder below the class folder are the frames of one video; images in the class folder itself are stills,
    each a clip of its own. What other tools leave beside the videos is passed over: landmarks, masks, and frames of a
    video that is there itself. Files that differ only in their suffix are told apart by it. A folder with nothing in it
    is found without files.

    Args:
        base: the class folder.
        flat: names of further folders whose images are stills.
        stills: whether all images are.
    """
    found = [media for folder, files in _walk(base) for media in _media_in(folder, files, base, flat, stills)]
    videos = {media.inner for media in found if media.is_video and not media.is_frames}
    return [media for media in found if not media.is_frames or media.inner not in videos]


def mask_videos(root: Path, folder: str | None) -> dict[str, Path]:
    """Mask videos by the name of the video they belong to, wherever they are below a class's folder of masks."""
    if folder is None:
        return {}
    return {path.stem: path for path in (root / folder).rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES}


def make_clip(
    config: DatasetConfig,
    entry: ClassConfig,
    root: Path,
    base: Path,
    found: Found,
    *,
    split: str,
    method: str | None = None,
    compression: str = "",
    mask: Path | None = None,
    landmarks: Path | None = None,
    identity_target: str = "",
    identity_source: str = "",
    skip: str = "",
) -> Clip:
    """A clip of found media; its crops are stored at DATASET/<class folder>/frames/<media>."""
    return Clip(
        dataset=config.name,
        split=split,
        label=entry.label,
        class_name=entry.class_name,
        method=method or entry.method,
        compression=compression,
        media="video" if found.is_video else "image",
        files=found.files,
        name=found.path.relative_to(root).as_posix(),
        store_folder=Path(config.name, base.relative_to(root), "frames", found.inner).as_posix(),
        is_crop=config.crops and (found.is_frames or not found.is_video),
        mask=mask,
        landmarks=landmarks,
        identity_target=identity_target,
        identity_source=identity_source,
        skip=skip or ("" if found.files else EMPTY),
    )


def absent_clip(
    config: DatasetConfig, entry: ClassConfig, root: Path, path: Path, *, split: str, compression: str = ""
) -> Clip:
    """What stands for media that a list names and that are not there; `path` is where they should be."""
    media = Found(path.with_suffix(""), Path(path.stem), (), is_video=True)
    return make_clip(config, entry, root, path.parent, media, split=split, compression=compression, skip=ABSENT)


def _walk(base: Path) -> Iterator[tuple[Path, list[Path] | None]]:
    """Each folder from `base` down, with its files in natural order, or None if it holds nothing at all."""
    if not base.is_dir():
        return
    waiting = [base]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            inside = list(entries)
        folders = sorted((Path(entry.path) for entry in inside if entry.is_dir()), reverse=True)
        files = sorted((Path(entry.path) for entry in inside if entry.is_file()), key=natural_key)
        waiting += [path for path in folders if path.name not in BESIDE]
        yield folder, files if inside else None


def _media_in(
    folder: Path, files: list[Path] | None, base: Path, flat: frozenset[str], stills: bool
) -> Iterator[Found]:
    """The media of one folder, without those of the folders in it."""
    inner = Path(*[part for part in folder.relative_to(base).parts if part not in TRANSPARENT])
    if files is None:
        if inner.parts:
            yield Found(folder, inner, (), is_video=True, is_frames=True)
        return
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    holds_stills = stills or folder == base or folder.name.casefold() in flat
    single = videos + images if holds_stills else videos
    stems = Counter(path.stem for path in single)
    for path in single:
        name = path.stem if stems[path.stem] == 1 else path.name
        yield Found(path.with_name(name), inner / name, (path,), is_video=path.suffix.lower() in VIDEO_SUFFIXES)
    if images and not holds_stills:
        yield Found(folder, inner, tuple(images), is_video=True, is_frames=True)


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir()]
