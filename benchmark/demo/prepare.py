"""The demo's data sets, from stills to stored crops; what an earlier call finished is kept."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmark.check import check_dataset, verdict
from benchmark.demo.build import MEDIA_RECIPE, MEDIA_STAMP, STILLS, build_demo
from benchmark.demo.notes import Note, fingerprint
from benchmark.demo.portraits import find_pictures
from benchmark.describe import describe, whole_of
from benchmark.perturb import perturb_dataset
from benchmark.preprocess import preprocess_dataset
from benchmark.progress import progress
from benchmark.reconstruct import reconstruct_dataset
from config.errors import InputError
from config.files import write_text
from config.load import load_config
from config.schema import DetectorConfig, Profile
from config.test_sets import OnTestSets
from preprocessing.landmarks import find_predictor, predictor_of
from preprocessing.manifest import read_manifest
from preprocessing.pipeline import manifest_path, store_meta, store_name
from preprocessing.views import load_suite
from training import RECIPE

DATASETS = ("DemoFF", "DemoX")
FRAMES = 8
STILLS_NOTE = "The people are GAN stills of nobody, animated; the forgeries are small classical substitutes"
STAMP = "DEMO: synthetic stand-ins for all data sets; measured figures rank no detector, published are of real data"
PHOTOS_NOTE = "The people are your photographs, animated; the forgeries are small classical substitutes"
MADE = ("data", "runs", "results", "suites")
_MADE_OF = "made_of.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo's data, ready to train and test on.

    Attributes:
        data: folder of stores and manifests.
        rows: the manifest of each data set that was asked for.
        note: what a reader of its figures must know.
    """

    data: Path
    rows: dict[str, pd.DataFrame]
    note: str


def prepare_demo(
    out: Path,
    *,
    sets: Sequence[str] = DATASETS,
    profile: str = "dfb",
    faces: Path | None = None,
    seed: int,
    landmarks: Path | None,
    workers: int | None,
    console: Console,
) -> Prepared:
    """Make media of the demo, check them as a user would a data set, and preprocess them.

    What an earlier call finished, and nobody has touched since, is not looked at again.

    Args:
        out: folder for everything that is made.
        sets: the data sets that are needed (benchmark.demo.sets).
        profile: preprocessing profile.
        faces: photographs to use instead of the embedded stills.
        seed: of the clips.
        landmarks: 81-point predictor.
        workers: processes; None takes what suits each step.
        console: where progress is shown.

    Raises:
        InputError: `out` holds what no demo made, or as for the steps.
    """
    _refuse_foreign(out)
    media, data = out / "media", out / "data"
    made_of = {
        "recipe": MEDIA_RECIPE,
        "seed": seed,
        "pictures": fingerprint(find_pictures(faces or STILLS)),
        "landmarks": find_predictor().git_blob,
    }
    made = {name: Note(media / f"{name}.json", made_of, (media / name, media / MEDIA_STAMP)) for name in sets}
    missing = [name for name in sets if not made[name].holds]
    if missing:
        with progress("make the demo's videos", console) as report:
            build_demo(media, missing, faces, seed, workers, report)
    _forget_other_media(out)
    for name in missing:
        console.print(verdict(check_dataset(name, media / name, workers=workers, console=console)), highlight=False)
        made[name].write()
    rows = {name: _preprocessed(name, out, profile, landmarks, workers, console) for name in sets}
    return Prepared(data, rows, STILLS_NOTE if faces is None else PHOTOS_NOTE)


def _preprocessed(
    name: str, out: Path, profile: str, landmarks: Path | None, workers: int | None, console: Console
) -> pd.DataFrame:
    """The manifest of a data set whose media are there, made unless it is there too; arguments as `prepare_demo`."""
    media, data = out / "media" / name, out / "data"
    crops = load_config(Profile, profile, [f"num_frames={FRAMES}"])
    manifest = manifest_path(data, crops.name, name)
    about = {
        "media": fingerprint([media]),
        "made_with": store_meta(describe(name), crops, predictor_of(crops, landmarks)),
    }
    done = Note(manifest.with_suffix(".json"), about, (manifest,))
    if done.holds and manifest.with_name(store_name(name)).is_dir():
        console.print(f"{name}: ready in {data}", highlight=False)
        return read_manifest(manifest)
    rows = preprocess_dataset(
        name,
        media,
        data,
        profile=profile,
        frames=FRAMES,
        stride=None,
        compression=None,
        landmarks=landmarks,
        workers=workers,
        console=console,
    )
    done.write()
    return rows


def reconstruct_demo(
    configs: Iterable[DetectorConfig], data: Path, profile: str, device: str, console: Console
) -> None:
    """Make the reconstructions that fakes of some detectors are made of, by the substitutes."""
    kinds = sorted({kind for config in configs for kind in RECIPE[config.dataset_type].reconstructed_by(config)})
    if kinds:
        reconstruct_dataset(DATASETS[0], data, profile=profile, kinds=kinds, device=device, console=console)


def perturb_demo(
    asked: Iterable[OnTestSets],
    out: Path,
    *,
    profile: str,
    landmarks: Path | None,
    workers: int | None,
    console: Console,
) -> None:
    """Make the crops of perturbed frames that columns and figures are of, where their suite perturbs frames.

    Args:
        asked: of a suite whose data sets are the demo's.
        out: the demo's folder.
        profile: preprocessing profile.
        landmarks: 81-point predictor.
        workers: processes.
        console: where progress is shown.
    """
    wanted = {(test, one.perturb) for one in asked if one.perturb for test in one.test.values()}
    for name, suite in sorted(wanted):
        if load_suite(suite).config.on == "frame":
            perturb_dataset(
                name,
                out / "media" / (whole_of(name) or name),
                out / "data",
                suite,
                profile=profile,
                landmarks=landmarks,
                workers=workers,
                console=console,
            )


def _refuse_foreign(out: Path) -> None:
    """See that what other pictures leave behind is the demo's own before it is removed."""
    foreign = [out / part for part in MADE if (out / part).exists()]
    if foreign and not (out / _MADE_OF).is_file():
        raise InputError(f"{foreign[0]} was not made by the demo ({out / _MADE_OF} is missing); choose another folder")


def _forget_other_media(out: Path) -> None:
    """Crops and weights made of other clips (another seed, other photographs) are removed, not mixed in."""
    stamp, used = out / "media" / MEDIA_STAMP, out / _MADE_OF
    made_of = stamp.read_text(encoding="utf-8")
    if not used.is_file() or used.read_text(encoding="utf-8") != made_of:
        for part in MADE:
            shutil.rmtree(out / part, ignore_errors=True)
        write_text(used, made_of)
