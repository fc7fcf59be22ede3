"""`assay demo`: from stills to video files, crops, trained detectors, tables and a report, all on the embedded set."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmark.check import check_dataset, verdict
from benchmark.demo.build import build_demo
from benchmark.demo.light import BASELINE, Light, lightened_all
from benchmark.demo.pages import Outcome, write_pages
from benchmark.evaluate import evaluate_weights
from benchmark.preprocess import preprocess_dataset
from benchmark.progress import progress
from benchmark.reconstruct import reconstruct_dataset
from benchmark.train import train_detector
from config.errors import InputError
from config.files import write_text
from evaluation.render import FORMATS
from training import RECIPE

DATASETS = ("DemoFF", "DemoX")
FRAMES = 8
STILLS_NOTE = "The people are GAN stills of nobody, animated; the forgeries are small classical substitutes"
PHOTOS_NOTE = "The people are your photographs, animated; the forgeries are small classical substitutes"
_MADE_OF = "made_of.json"
_MADE = ("data", "runs", "results")


def run_demo(
    out: Path,
    *,
    detectors: Sequence[str] = (BASELINE,),
    faces: Path | None,
    seed: int,
    landmarks: Path | None,
    device: str,
    workers: int | None,
    console: Console,
) -> Path:
    """Build, preprocess, train, evaluate and report; what an earlier call finished is kept.

    Args:
        out: folder for everything that is made.
        detectors: what is trained, each with the baseline's network and as many images (benchmark.demo.light): shipped
            detectors, or YAML files.
        faces: photographs to use instead of the embedded stills.
        seed: of the clips and of training.
        landmarks: 81-point predictor for preprocessing.
        device: where to train and evaluate.
        workers: processes; None takes what suits each step.
        console: where progress is shown.

    Returns:
        The report's path.

    Raises:
        InputError: an unknown detector, or `out` holds what no demo made.
    """
    started = time.monotonic()
    chosen = lightened_all(detectors, DATASETS[:1], seed)
    _refuse_foreign(out)
    media, data = out / "media", out / "data"
    with progress("make the demo's videos", console) as report:
        build_demo(media, faces, seed, workers, report)
    _forget_other_media(out)
    for name in DATASETS:
        console.print(verdict(check_dataset(name, media / name, workers=workers, console=console)), highlight=False)
    rows = {
        name: preprocess_dataset(
            name,
            media / name,
            data,
            profile="dfb",
            frames=FRAMES,
            stride=None,
            compression=None,
            landmarks=landmarks,
            workers=workers,
            console=console,
        )
        for name in DATASETS
    }
    _reconstruct(chosen, data, device, console)
    outcomes = [_outcome(light, data, out / "runs" / light.folder, device, workers, console) for light in chosen]
    note = STILLS_NOTE if faces is None else PHOTOS_NOTE
    shutil.rmtree(out / "results", ignore_errors=True)  # those of other detectors would stand beside
    pages = write_pages(out, data, rows, outcomes, note, started)
    console.print(f"\n{FORMATS['md'](pages.leaderboard)}", highlight=False, markup=False)
    console.print(f"report: {pages.report}   tables and figures: {pages.folder}", highlight=False)
    return pages.report


def _reconstruct(chosen: Sequence[Light], data: Path, device: str, console: Console) -> None:
    """Make the reconstructions that fakes of the chosen detectors are made of, by the substitutes."""
    kinds = sorted({kind for one in chosen for kind in RECIPE[one.config.dataset_type].reconstructed_by(one.config)})
    if kinds:
        reconstruct_dataset(DATASETS[0], data, kinds=kinds, device=device, console=console)


def _outcome(light: Light, data: Path, run: Path, device: str, workers: int | None, console: Console) -> Outcome:
    """Train a detector on the first data set and evaluate it on both."""
    epochs = light.epochs(data)
    train_detector(
        light.name,
        data,
        run,
        overrides=[*light.overrides, f"nEpochs={epochs}"],
        resume=(run / "config.yaml").is_file(),
        device=device,
        workers=workers,
        console=console,
    )
    results = evaluate_weights(
        run, DATASETS, data, threshold_on=DATASETS[:1], device=device, workers=workers, console=console
    )
    return Outcome(light.folder, run, epochs, light.images(data), tuple(results))


def _refuse_foreign(out: Path) -> None:
    """See that what other pictures leave behind is the demo's own before it is removed."""
    foreign = [out / part for part in _MADE if (out / part).exists()]
    if foreign and not (out / _MADE_OF).is_file():
        raise InputError(f"{foreign[0]} was not made by the demo ({out / _MADE_OF} is missing); choose another folder")


def _forget_other_media(out: Path) -> None:
    """Crops and weights made of other clips (another seed, other photographs) are removed, not mixed in."""
    stamp, used = out / "media" / "demo.json", out / _MADE_OF
    made_of = stamp.read_text(encoding="utf-8")
    if not used.is_file() or used.read_text(encoding="utf-8") != made_of:
        for part in _MADE:
            shutil.rmtree(out / part, ignore_errors=True)
        write_text(used, made_of)
