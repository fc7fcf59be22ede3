"""The Deepfake Detection Challenge and its preview: files in numbered folders, labels in lists beside them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.errors import InputError
from config.schema import ClassConfig, DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.labels import label_of, relative_path
from preprocessing.layouts.media import UNLISTED, absent_clip, find_folder, find_media, make_clip


@LAYOUT.register_module(module_name="dfdc")
def dfdc(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DFDC: test/labels.csv (filename, label) and train/dfdc_train_part_N/metadata.json (label, original)."""
    test = find_folder(root, "test")
    if test is not None:
        labels = test / "labels.csv"
        yield from _listed_folder(config, root, test, "test", _labels_csv(labels), labels)
    train = find_folder(root, "train")
    for part in sorted(train.iterdir()) if train else []:
        if part.is_dir():
            listing = part / "metadata.json"
            yield from _listed_folder(config, root, part, "train", _json_object(listing), listing)


@LAYOUT.register_module(module_name="dfdcp")
def dfdcp(config: DatasetConfig, root: Path) -> Iterator[Clip]:
    """DFDC preview: dataset.json maps original_videos/... and method_A/... to label, set and the people in them."""
    listing = root / "dataset.json"
    listed = {relative_path(path, str(listing)): facts for path, facts in _json_object(listing).items()}
    for entry in config.classes:
        base = find_folder(root, entry.folders[0])
        if base is None:
            continue
        # The list's paths know no level named videos, and frames of other tools keep only a video's own name.
        media = {found.inner.as_posix(): found for found in find_media(base)}
        own = {path: facts for path, facts in listed.items() if path.parts[0] == entry.folders[0]}
        named = set()
        for path, facts in own.items():
            inner = Path(*[part for part in path.parts[1:] if part != "videos"]).with_suffix("").as_posix()
            found = media.get(inner) or media.get(path.stem)
            split = str(facts.get("set", ""))
            if found is None:
                yield absent_clip(config, entry, root, root / path, split=split)
                continue
            named.add(found.inner.as_posix())
            if label_of(facts.get("label"), f"{listing}: {path}") != entry.label:
                raise InputError(f"{listing}: {path} is said to be {facts['label']}, which {entry.folders[0]} is not")
            swapped = facts.get("swapped_ids") or [""]
            yield make_clip(
                config,
                entry,
                root,
                base,
                found,
                split=split,
                identity_target=str(facts.get("target_id") or ""),
                identity_source=str(swapped[0]),
                skip="" if split else UNLISTED,
            )
        for name in sorted(media.keys() - named):
            yield make_clip(config, entry, root, base, media[name], split="", skip=UNLISTED)


def _listed_folder(
    config: DatasetConfig, root: Path, folder: Path, split: str, listed: dict[str, Any], listing: Path
) -> Iterator[Clip]:
    """The clips of one folder, whose classes a list tells."""
    classes: dict[int, ClassConfig] = {entry.label: entry for entry in config.classes}
    media = {found.inner.name: found for found in find_media(folder)}
    for name, facts in listed.items():
        entry = classes[label_of(facts.get("label"), f"{listing}: {name}")]
        path, stem = folder / relative_path(name, str(listing)), Path(name).stem
        if stem not in media:
            yield absent_clip(config, entry, root, path, split=split)
            continue
        original = Path(str(facts.get("original") or name)).stem
        yield make_clip(config, entry, root, folder, media[stem], split=split, identity_target=original)
    for stem in sorted(media.keys() - {Path(name).stem for name in listed}):
        yield make_clip(config, config.classes[0], root, folder, media[stem], split="", skip=UNLISTED)


def _labels_csv(path: Path) -> dict[str, dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"filename", "label"} <= set(reader.fieldnames or ()):
                raise KeyError
            return {row["filename"]: {"label": row["label"]} for row in reader}
    except FileNotFoundError:
        raise InputError(f"{path} is missing; it tells which test videos are fake, and many mirrors lack it") from None
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: expected a CSV with the columns filename and label") from None


def _json_object(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; it tells which videos are fake") from None
    except (OSError, ValueError):
        raise InputError(f"{path} is not JSON") from None
    if not isinstance(content, dict) or not all(isinstance(facts, dict) for facts in content.values()):
        raise InputError(f"{path}: expected file names with an object for each")
    return content
