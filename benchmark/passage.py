"""`assay data export` and `assay data import`: data sets on their way to and from DeepfakeBench."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmark.progress import progress
from config.errors import InputError
from config.files import write_text
from config.load import load_config
from config.schema import Profile
from preprocessing.dfb_import import Imported, import_json
from preprocessing.dfb_json import selections, to_dfb_json
from preprocessing.dfb_labels import LABELS, Labels, parse_labels
from preprocessing.dfb_lmdb import dfb_lmdb_name, dfb_meta, write_dfb_lmdb
from preprocessing.manifest import manifest_meta, read_manifest
from preprocessing.parts import find_source
from preprocessing.rows import load_rows, splits_of


def export_datasets(
    datasets: Sequence[str],
    data: Path,
    out: Path,
    *,
    profile: str,
    with_lmdb: bool,
    compression: str | None,
    separator: str,
    prefix: str,
    console: Console,
) -> None:
    """`assay data export`: write the JSON of each data set, after the LMDB that holds what it names.

    Raises:
        InputError: a data set is not preprocessed or does not fit DeepfakeBench's JSON, data sets do not fit into one
            LMDB, or something cannot be written.
    """
    if prefix and with_lmdb:
        raise InputError(
            "--prefix is for frames in folders: the keys of the LMDB (--dfb) are the JSON's paths without it"
        )
    crops = load_config(Profile, profile)
    if crops.crop != "aligned":
        raise InputError(f"--profile {crops.name}: DeepfakeBench has aligned crops; loose ones have no place in it")
    profile = crops.name
    chosen: dict[str, pd.DataFrame] = {}
    for name in datasets:
        rows = _faces(data, name, profile, compression, console)
        parts = selections(name, rows)
        _say_left_out(name, rows, parts.values(), console)
        chosen = {**parts, **chosen, name: parts[name]}
    documents = {name: to_dfb_json(name, rows, separator, prefix) for name, rows in chosen.items()}
    if with_lmdb:
        for folder in sorted({dfb_lmdb_name(name) for name in datasets}):
            metas = {
                name: manifest_meta(find_source(data, name, profile).manifest)
                for name in datasets
                if dfb_lmdb_name(name) == folder
            }
            rows = pd.concat([rows for name, rows in chosen.items() if dfb_lmdb_name(name) == folder])
            with progress(f"write {folder}", console) as report:
                write_dfb_lmdb(out / folder, rows, dfb_meta(metas), separator, report)
            console.print(f"-> {out / folder}", highlight=False, markup=False)
    for name, document in documents.items():
        write_text(out / f"{name}.json", json.dumps(document))
        videos = chosen[name]["video_id"].nunique()
        console.print(
            f"{name}: {len(chosen[name])} faces of {videos} videos -> {out / name}.json", highlight=False, markup=False
        )
    _say_new_labels(chosen.values(), console)


def import_dataset(
    file: Path,
    data: Path,
    *,
    lmdb: Path | None,
    root: Path | None,
    profile: str,
    labels: Iterable[str],
    console: Console,
) -> Imported:
    """`assay data import`: make a manifest of a DeepfakeBench JSON, and say what became of what it lists.

    Raises:
        InputError: as `import_json`, or a label that is none.
    """
    crops, known = load_config(Profile, profile), Labels(parse_labels(labels))
    imported = import_json(file, data, crops, known, lmdb=lmdb, root=root, stage=lambda label: progress(label, console))
    _say_imported(imported, console)
    return imported


def _faces(data: Path, name: str, profile: str, compression: str | None, console: Console) -> pd.DataFrame:
    """Rows of the stored faces of all splits, one of each frame, with `store_path`."""
    rows = pd.concat([load_rows(data, name, split, profile=profile) for split in splits_of(data, name, profile)])
    faces = rows[(rows["skip"] == "") & (rows["compression"].isin([compression, ""]) if compression else True)]
    if not len(faces):
        level = f" at compression {compression}" if compression else ""
        raise InputError(f"{name} has no stored face{level}")
    first = faces[faces["face"] == 0]
    if len(first) < len(faces):
        console.print(
            f"{name}: {len(faces) - len(first)} faces are left out, of frames with several: DeepfakeBench has one each",
            highlight=False,
            markup=False,
        )
    return first


def _say_left_out(name: str, rows: pd.DataFrame, parts: Iterable[pd.DataFrame], console: Console) -> None:
    placed = {class_name for part in parts for class_name in part["class_name"].unique()}
    others = rows[~rows["class_name"].isin(placed)]
    if len(others):
        classes = ", ".join(sorted(others["class_name"].unique()))
        console.print(
            f"{name}: {len(others)} faces of {classes} are in no JSON of DeepfakeBench's", highlight=False, markup=False
        )


def _say_new_labels(parts: Iterable[pd.DataFrame], console: Console) -> None:
    """DeepfakeBench looks classes up in its YAML; what it does not have must be added there."""
    pairs = pd.concat([part[["class_name", "label"]] for part in parts]).drop_duplicates().itertuples(index=False)
    new = [f"{name}: {label}" for name, label in pairs if name not in LABELS]
    if new:
        console.print(
            f"label_dict of DeepfakeBench's configuration needs: {', '.join(new)}", highlight=False, markup=False
        )


def _say_imported(imported: Imported, console: Console) -> None:
    listing, rows = imported.listing, read_manifest(imported.manifest)
    counts = ", ".join(
        f"{split} {len(part)} faces of {part['video_id'].nunique()} videos"
        for split, part in rows[rows["skip"] == ""].groupby("split")
    )
    lines = [f"{imported.name}: {counts}"]
    if listing.copies:
        copies = ", ".join(f"{count} of {split}" for split, count in sorted(listing.copies.items()))
        lines.append(f"  videos left out, since the test set or else val has them too: {copies}")
    if listing.repeated:
        lines.append(f"  frames listed again, kept once: {len(listing.repeated)}, such as {listing.repeated[0]}")
    if listing.missing:
        lines.append(f"  frames listed but not there: {len(listing.missing)}, such as {listing.missing[0]}")
    unreadable = int((rows["skip"] == "unreadable frame").sum())
    if unreadable:
        lines.append(f"  frames that are no image: {unreadable}")
    for line in [*lines, f"  -> {imported.manifest}"]:
        console.print(line, highlight=False, markup=False)
