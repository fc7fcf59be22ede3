"""`assay preprocess` and `assay merge`: crop a data set, in one go or in shards, and say what became of its frames."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmark.describe import describe
from benchmark.progress import progress
from config.load import load_config
from config.schema import Profile
from preprocessing.landmarks import predictor_of
from preprocessing.manifest import coverage, manifest_meta
from preprocessing.pipeline import manifest_path, preprocess
from preprocessing.shards import Shard, merge_shards
from preprocessing.workers import cores


def preprocess_dataset(
    dataset: str,
    root: Path,
    data: Path,
    *,
    profile: str,
    frames: int | None,
    stride: int | None,
    compression: str | None,
    landmarks: Path | None,
    detector_file: Path | None = None,
    mode: str | None = None,
    encoding: str | None = None,
    workers: int | None = None,
    engine: str = "local",
    shard: str | None = None,
    console: Console,
) -> pd.DataFrame:
    """`assay preprocess`: crop a data set and say what became of its frames.

    Returns:
        The manifest's rows.
    """
    wanted = {
        "num_frames": frames,
        "stride": stride,
        "mode": mode,
        "detector_file": detector_file,
        "encoding": encoding,
    }
    changes = [f"{key}={value}" for key, value in wanted.items() if value is not None]
    share = Shard.parse(shard) if shard else None
    config, crops = describe(dataset), load_config(Profile, profile, changes)
    predictor = predictor_of(crops, landmarks)
    with progress(f"preprocess {config.name}", console) as report:
        rows = preprocess(
            config,
            root,
            data,
            crops,
            predictor,
            workers=cores() if workers is None else workers,
            engine=engine,
            shard=share,
            compression=compression,
            on_progress=report,
        )
    whole = manifest_path(data, crops.name, config.name)
    _say_coverage(rows, config.name, share.manifest(whole) if share else whole, console)
    return rows


def merge_dataset(dataset: str, data: Path, *, profile: str, console: Console) -> pd.DataFrame:
    """`assay merge`: join the shards of a data set and say what became of its frames.

    Returns:
        The manifest's rows.
    """
    path = manifest_path(data, profile, dataset)
    rows = merge_shards(path)
    _say_coverage(rows, dataset, path, console)
    return rows


def _say_coverage(rows: pd.DataFrame, dataset: str, path: Path, console: Console) -> None:
    counts, made_by = coverage(rows), manifest_meta(path)
    boxes = f", boxes by {made_by['detector']}" if "detector" in made_by else ""
    console.print(
        f"{dataset}: {counts.faces} faces in {counts.frames} frames of {counts.videos} videos "
        f"({counts.videos_without_face} without a face), landmarks by {made_by['predictor']}{boxes}",
        highlight=False,
    )
    for reason, count in counts.skips.items():
        console.print(f"  skipped {count}: {reason}", highlight=False)
    console.print(f"  -> {path}", highlight=False)
