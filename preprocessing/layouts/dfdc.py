"""The Deepfake Detection Challenge and its preview: files in numbered folders, labels in lists beside them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.errors import InputError, unknown
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import Clip
from preprocessing.layouts.labels import label_of, relative_path
from preprocessing.layouts.media import SPLITS, ClassFolder, class_folder, find_folder, find_media


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
        folder = class_folder(config, root, entry)
        # The list's paths know no level named videos, and frames of other tools keep only a video's own name.
        media = {found.inner.as_posix(): found for found in find_media(folder.path)}
        named = set()
        for path, facts in listed.items():
            if path.parts[0] != entry.folders[0]:
                continue
            if label_of(facts.get("label"), f"{listing}: {path}") != entry.label:
                raise InputError(f"{listing}: {path} is said to be {facts['label']}, which {entry.folders[0]} is not")
            inner = Path(*[part for part in path.parts[1:] if part != "videos"]).with_suffix("").as_posix()
            found, split = media.get(inner) or media.get(path.stem), str(facts.get("set", ""))
            if split and split not in SPLITS:
                raise unknown(f"set in {listing}: {path}:", split, SPLITS)
            if found is None:
                yield folder.absent(root / path, split)
            else:
                named.add(found.inner.as_posix())
                swapped = facts.get("swapped_ids")
                source = str(swapped[0]) if isinstance(swapped, list) and swapped else ""
                yield folder.clip(found, split=split, identities=(str(facts.get("target_id") or ""), source))
        for name in sorted(media.keys() - named):
            yield folder.clip(media[name], split="")


def _listed_folder(
    config: DatasetConfig, root: Path, path: Path, split: str, listed: dict[str, Any], listing: Path
) -> Iterator[Clip]:
    """The clips of one folder, whose classes a list tells."""
    folders = {int(entry.label): ClassFolder(config, root, entry, path) for entry in config.classes}
    media = {found.inner.name: found for found in find_media(path)}
    for name, facts in listed.items():
        folder = folders[label_of(facts.get("label"), f"{listing}: {name}")]
        place, stem = path / relative_path(name, str(listing)), Path(name).stem
        if stem in media:
            original = Path(str(facts.get("original") or name)).stem
            yield folder.clip(media[stem], split=split, identities=(original, ""))
        else:
            yield folder.absent(place, split)
    for stem in sorted(media.keys() - {Path(name).stem for name in listed}):
        yield folders[0].clip(media[stem], split="")


def _labels_csv(path: Path) -> dict[str, dict[str, Any]]:
    labels: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"filename", "label"} <= set(reader.fieldnames or ()):
                raise KeyError
            for row in reader:
                if labels.setdefault(row["filename"], row["label"]) != row["label"]:
                    raise InputError(
                        f"{path}, line {reader.line_num}: {row['filename']} is labelled both real and fake"
                    )
            return {name: {"label": label} for name, label in labels.items()}
    except FileNotFoundError:
        raise InputError(f"{path} is missing; it tells which test videos are fake, and many mirrors lack it") from None
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise InputError(f"{path}: expected a CSV with the columns filename and label") from None


def _json_object(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing; it tells which videos are fake") from None
    except ValueError:
        raise InputError(f"{path} is not JSON") from None
    if not isinstance(content, dict) or not all(isinstance(facts, dict) for facts in content.values()):
        raise InputError(f"{path}: expected file names with an object for each")
    return content
