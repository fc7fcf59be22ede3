"""Data sets that a CSV describes: a row for each video, folder of frames, or image."""

import csv
from collections.abc import Iterator
from pathlib import Path

from config.errors import InputError, unknown
from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip, natural_key
from preprocessing.layouts.labels import label_of, relative_path
from preprocessing.layouts.media import SPLITS, ClassFolder, Found

COLUMNS = ("path", "label", "split", "method")


@LAYOUT.register_module(module_name="csv")
def listed(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """A CSV with the columns path and label, and perhaps split (else test) and method; paths start at the root."""
    if config.listing is None:
        raise InputError(f"{config.name}: layout csv needs the file's name under 'listing'")
    path = root / config.listing
    label_at: dict[Path, int] = {}
    label_of_method: dict[str, int] = {}
    listed_as: set[tuple[Path, str]] = set()
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        media, label = relative_path(row["path"], where), label_of(row["label"], where)
        if label_at.setdefault(media, label) != label:
            raise InputError(f"{where}: {media} is labelled both real and fake")
        split = (row.get("split") or "").strip() or "test"
        if split not in SPLITS:
            raise unknown(f"split in {where}:", split, SPLITS)
        if (media, split) in listed_as:
            raise InputError(f"{where}: {media} is listed a second time")
        listed_as.add((media, split))
        method = (row.get("method") or "").strip() or ("fake" if label else "real")
        if label_of_method.setdefault(method, label) != label:
            raise InputError(f"{where}: method '{method}' is given to reals and to fakes; reals need none")
        entry = ClassConfig(class_name=f"{config.name}_{method}", label=label, method=method)
        folder, found = ClassFolder(config, root, entry, root), _found(root, media)
        yield folder.absent(root / media, split) if found is None else folder.clip(found, split=split)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the CSV with their line numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            for needed in COLUMNS[:2]:
                if needed not in names:
                    found = f"found {', '.join(names)}" if names else "the file is empty"
                    raise InputError(f"{path} has no column '{needed}'; expected {','.join(COLUMNS)}, {found}")
            for name in names:
                if name not in COLUMNS:
                    raise unknown(f"column in {path}:", name, COLUMNS)
            for row in reader:
                if not row["path"] or row["label"] is None:
                    raise InputError(f"{path}, line {reader.line_num}: a path and a label are needed")
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _found(root: Path, media: Path) -> Found | None:
    """The media at a listed path, which is a video, an image or a folder of frames."""
    path = root / media
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
        return Found(path, media, (path,), is_video=path.suffix.lower() in VIDEO_SUFFIXES)
    if path.is_dir():
        inside = sorted((entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES), key=natural_key)
        return Found(path, media, tuple(inside), is_video=True, is_frames=True)
    return None
