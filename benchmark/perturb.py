"""`assay perturb`: crops of perturbed video frames, made once and read by evaluation."""

from pathlib import Path

from rich.console import Console

from benchmark.describe import describe, whole_of
from benchmark.progress import progress
from preprocessing.landmarks import find_predictor
from preprocessing.perturbed.run import Perturbed, perturb
from preprocessing.views import load_suite
from preprocessing.workers import cores


def perturb_dataset(
    dataset: str,
    root: Path,
    data: Path,
    suite: str,
    *,
    profile: str = "dfb",
    split: str = "test",
    compression: str | None = None,
    landmarks: Path | None = None,
    detector_file: Path | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    console: Console,
) -> Perturbed:
    """`assay perturb`: make the crops of perturbed frames and say of how many faces, and why not of the others.

    Args:
        dataset: a preprocessed data set or a part of one, a YAML file or a CSV, as `assay preprocess` takes it.
        root: folder that holds its media.
        data: folder of stores and manifests.
        suite: name or YAML file of a suite on frames.
        profile: name of the preprocessing profile.
        split: train, val or test.
        compression: only this level.
        landmarks: predictor that the data set was preprocessed with; None for the default.
        detector_file: face detector that it was preprocessed with.
        workers: processes; None for one on each core.
        overwrite: first delete what there is of the suite.
        console: where progress is shown.
    """
    perturbations = load_suite(suite)
    whole = whole_of(dataset)
    config = describe(whole or dataset)
    name = dataset if whole else config.name
    with progress(f"perturb {name} by {perturbations.name}", console) as report:
        result = perturb(
            config,
            name,
            root,
            data,
            perturbations,
            find_predictor(landmarks),
            profile=profile,
            detector_file=None if detector_file is None else str(detector_file),
            split=split,
            compression=compression,
            workers=cores() if workers is None else workers,
            overwrite=overwrite,
            on_progress=report,
        )
    views = len(perturbations.variants) - 1
    console.print(f"{name}: {views} perturbed crops each of {result.done} of {result.faces} faces", highlight=False)
    for reason, count in result.skips.items():
        console.print(f"  skipped {count}: {reason}", highlight=False)
    return result
