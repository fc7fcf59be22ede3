"""How data sets lie on disk: each layout walks a root and lists its clips with their split, class and identities."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.errors import InputError
from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip, natural_key

SPLITS = ("train", "val", "test")


def list_clips(config: DatasetConfig, root: Path, compression: str | None = None) -> list[Clip]:
    """All clips of a data set below `root`, in a fixed order.

    Args:
        config: the data set's description.
        root: the folder that holds it.
        compression: only this level of an FF++-like set; None for all that are there.

    Raises:
        InputError: no such folder, a split file is missing or broken, or nothing was found.
    """
    if not root.is_dir():
        raise InputError(f"--root: no such folder: {root}")
    clips = [clip for clip in LAYOUT[config.layout](config, root) if compression in (None, clip.compression)]
    if not clips:
        expected = ", ".join(entry.folders[0] for entry in config.classes)
        level = f" of compression {compression}" if compression else ""
        raise InputError(f"no video or image{level} below {root}; {config.name} is expected to have {expected} there")
    return sorted(clips, key=lambda clip: clip.video_id)


@dataclass(frozen=True, slots=True)
class _Found:
    """Media found below a class folder.

    `path` is the file without its suffix, or the folder of frames; `inner` is the same relative to the class folder.
    """

    path: Path
    inner: Path
    files: tuple[Path, ...]
    is_video: bool
    is_frames: bool = False


@LAYOUT.register_module(module_name="ffpp")
def ffpp(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """FaceForensics++: CLASS/COMPRESSION/videos/000_003.mp4; {train,val,test}.json list id pairs.

    The first id of a name is the target (whose video it is), the second the source (whose face came in).
    """
    split_of = _ffpp_splits(root)
    for entry in config.classes:
        for compression in config.compressions:
            base = root / entry.folders[0] / compression
            for found in _find_media(base):
                target, _, source = found.inner.name.partition("_")
                split = split_of.get(target, "")
                yield _clip(
                    config,
                    entry,
                    root,
                    base,
                    found,
                    split=split,
                    compression=compression,
                    mask=_mask_of(root, entry, found),
                    identity_target=target,
                    identity_source=source,
                    skip="" if split else "in no split file",
                )


@LAYOUT.register_module(module_name="celebdf")
def celebdf(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """Celeb-DF: media in class folders; List_of_testing_videos.txt names the test split, the rest is train.

    An optional methods.csv (path, method) at the root tells manipulations of one folder apart.
    """
    tested = _celebdf_test_list(root)
    methods = _celebdf_methods(root)
    for entry in config.classes:
        base = root / entry.folders[0]
        for found in _find_media(base):
            listed = f"{entry.folders[0]}/{found.inner.as_posix()}"
            target, source = _celebdf_identities(found.inner.name) if entry.label else (found.inner.name, "")
            yield _clip(
                config,
                entry,
                root,
                base,
                found,
                split="test" if listed in tested else "train",
                method=methods.get(listed, entry.method),
                identity_target=target.partition("_")[0],
                identity_source=source,
            )


@LAYOUT.register_module(module_name="folders")
def folders(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """One folder for each class, below {train,val,test} or, without those, all of it the test split."""
    split_folders = [split for split in SPLITS if (root / split).is_dir()]
    for split in split_folders or ["test"]:
        for entry in config.classes:
            base = (root / split if split_folders else root) / entry.folders[0]
            for found in _find_media(base):
                yield _clip(config, entry, root, base, found, split=split)


def _find_media(base: Path) -> list[_Found]:
    """Videos, folders of frames and still images below a class folder.

    Images in a folder below the class folder are the frames of one video; images in the class folder itself are stills,
    each a clip of its own. What other tools leave beside the videos is passed over: landmarks, masks, and frames of a
    video that is there itself. Files that differ only in their suffix are told apart by it.
    """
    folders = sorted({base, *(path for path in base.rglob("*") if path.is_dir())}) if base.is_dir() else []
    found = [media for folder in folders for media in _media_in(folder, base)]
    videos = {media.inner for media in found if media.is_video and not media.is_frames}
    return [media for media in found if not media.is_frames or media.inner not in videos]


def _media_in(folder: Path, base: Path) -> Iterator[_Found]:
    """The media of one folder, without those of the folders in it."""
    relative = folder.relative_to(base)
    if set(relative.parts) & {"landmarks", "masks"}:
        return
    inner = Path(*[part for part in relative.parts if part not in {"videos", "frames"}])
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=natural_key)
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    single = videos if folder != base else videos + images
    stems = Counter(path.stem for path in single)
    for path in single:
        name = path.stem if stems[path.stem] == 1 else path.name
        yield _Found(path.with_name(name), inner / name, (path,), is_video=path in videos)
    if images and folder != base:
        yield _Found(folder, inner, tuple(images), is_video=True, is_frames=True)


def _clip(
    config: DatasetConfig,
    entry: ClassConfig,
    root: Path,
    base: Path,
    found: _Found,
    *,
    split: str,
    method: str | None = None,
    compression: str = "",
    mask: Path | None = None,
    identity_target: str = "",
    identity_source: str = "",
    skip: str = "",
) -> Clip:
    store_folder = Path(config.name, base.relative_to(root), "frames", found.inner)
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
        store_folder=store_folder.as_posix(),
        mask=mask,
        identity_target=identity_target,
        identity_source=identity_source,
        skip=skip,
    )


def _ffpp_splits(root: Path) -> dict[str, str]:
    split_of = {}
    for split in SPLITS:
        path = root / f"{split}.json"
        try:
            pairs = json.loads(path.read_text(encoding="utf-8"))
            split_of.update({str(identity): split for pair in pairs for identity in pair})
        except FileNotFoundError:
            raise InputError(f"{path} is missing; FaceForensics++'s split files belong at the root") from None
        except (ValueError, TypeError):
            raise InputError(f"{path}: expected a JSON list of pairs of ids") from None
    return split_of


def _mask_of(root: Path, entry: ClassConfig, found: _Found) -> Path | None:
    if entry.masks is None:
        return None
    beside = (root / entry.masks / found.inner).with_suffix(".mp4")
    return beside if beside.is_file() else None


def _celebdf_test_list(root: Path) -> set[str]:
    path = root / "List_of_testing_videos.txt"
    if not path.is_file():
        raise InputError(f"{path} is missing; it names Celeb-DF's test videos")
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line.split(maxsplit=1)[1].strip().rpartition(".")[0] for line in lines if len(line.split()) > 1}


def _celebdf_methods(root: Path) -> dict[str, str]:
    path = root / "methods.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["path"].rpartition(".")[0]: row["method"] for row in csv.DictReader(file)}


def _celebdf_identities(name: str) -> tuple[str, str]:
    target, _, rest = name.partition("_")
    return target, rest.partition("_")[0]
