"""What layouts share: finding folders by name, media in folders, and making clips of them."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """A folder that holds media of a class: what the clips of all of them have in common.

    Attributes:
        config: the data set.
        root: where it lies.
        entry: the class.
        path: the folder.
        compression: the level of its media, or "".
    """

    config: DatasetConfig
    root: Path
    entry: ClassConfig
    path: Path
    compression: str = ""

    def clip(
        self,
        found: Found,
        *,
        split: str,
        method: str | None = None,
        mask: Path | None = None,
        landmarks: Path | None = None,
        identities: tuple[str, str] = ("", ""),
        skip: str = "",
    ) -> Clip:
        """A clip of media in the folder; its crops are stored at DATASET/<the folder>/frames/<media>.

        Args:
            found: the media.
            split: train, val or test; "" for a clip that no list names, which is then skipped.
            method: if it is another than the class's.
            mask: as of Clip.
            landmarks: as of Clip.
            identities: target and source.
            skip: why it is not to be processed, or "".
        """
        return Clip(
            dataset=self.config.name,
            split=split,
            label=self.entry.label,
            class_name=self.entry.class_name,
            method=method or self.entry.method,
            compression=self.compression,
            media="video" if found.is_video else "image",
            files=found.files,
            name=found.path.relative_to(self.root).as_posix(),
            store_folder=Path(self.config.name, self.path.relative_to(self.root), "frames", found.inner).as_posix(),
            is_crop=self.config.crops and (found.is_frames or not found.is_video),
            mask=mask,
            landmarks=landmarks,
            identity_target=identities[0],
            identity_source=identities[1],
            skip=skip or (UNLISTED if not split else "" if found.files else EMPTY),
        )

    def absent(self, path: Path, split: str) -> Clip:
        """What stands for media that a list names and that are not there; `path` is where they should be."""
        found = Found(path.with_suffix(""), Path(path.stem), (), is_video=True)
        return replace(self, path=path.parent).clip(found, split=split, skip=ABSENT)


def class_folder(config: DatasetConfig, root: Path, entry: ClassConfig, compression: str = "") -> ClassFolder:
    """The first of a class's folders that is there, at a compression level; else where the first should be."""
    paths = [path.replace("{compression}", compression) for path in entry.folders]
    there = (find_folder(root, path) for path in paths)
    path = next((folder for folder in there if folder is not None), root / paths[0])
    return ClassFolder(config, root, entry, path, compression)


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
    base = find_folder(root, folder) if folder else None
    files = [path for _, inside in _walk(base) for path in inside or ()] if base else []
    return {path.stem: path for path in files if path.suffix.lower() in VIDEO_SUFFIXES}


def _walk(base: Path) -> Iterator[tuple[Path, list[Path] | None]]:
    """Each folder from `base` down, with its files in natural order, or None if it holds nothing at all."""
    if not base.is_dir():
        return
    waiting = [base]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            inside = [entry for entry in entries if not entry.name.startswith(".")]  # what systems leave behind
        folders = sorted((Path(entry.path) for entry in inside if _is_folder_below(entry)), reverse=True)
        files = sorted((Path(entry.path) for entry in inside if entry.is_file()), key=natural_key)
        waiting += [path for path in folders if path.name not in BESIDE]
        yield folder, files if inside else None


def _is_folder_below(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, and no link back to one that it lies in."""
    if not entry.is_symlink():
        return entry.is_dir()
    path = Path(entry.path)
    return path.is_dir() and path.resolve() not in [parent.resolve() for parent in path.parents]


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
