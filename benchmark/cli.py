"""The command line `assay`. Commands are thin; what they do is imported when they run, so that --help costs nothing."""

import logging
import os
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from config.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WIDTH_OF_LOGS = 120  # columns, where the output is no terminal

Data = Annotated[Path, typer.Option("--data", help="Folder of face stores and manifests.")]
Sets = Annotated[list[str] | None, typer.Option(help="Data set; may be given several times.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="Override: a.b=value; may be repeated.")]
Plugin = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file that registers more; repeatable.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...; auto takes a GPU when there is one.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Worker processes; default: one for each core.")]
Loaders = Annotated[
    int | None, typer.Option("--workers", min=0, help="Loading processes; default: the YAML's, a core left free.")
]
ThresholdOn = Annotated[
    list[str] | None,
    typer.Option(help="Data set trained on, whose val scores choose the thresholds of TPR and FPR; repeatable."),
]
Resamples = Annotated[int, typer.Option(min=1, help="Resamples of the bootstrap over videos.")]
BootstrapSeed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")]
ProtocolName = Annotated[
    str,
    typer.Option("--protocol", help="corrected, dfb_legacy, or quirks of it: merged_names, first_frames, ... with +."),
]
Landmarks = Annotated[Path | None, typer.Option(help="81-point dlib predictor; default: $ASSAY_LANDMARKS, else ours.")]


class Kind(StrEnum):
    """What `assay list` lists."""

    detectors = "detectors"
    backbones = "backbones"
    losses = "losses"
    recipes = "recipes"
    datasets = "datasets"
    layouts = "layouts"
    perturbations = "perturbations"


class Format(StrEnum):
    """How `assay table` and `assay compare` write."""

    csv = "csv"
    md = "md"
    tex = "tex"
    html = "html"


class Arithmetic(StrEnum):
    """In which precision `assay evaluate` runs a network."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


Form = Annotated[Format, typer.Option("--format", help="How to write it.")]


def main() -> None:
    """Run the command line; a user's mistake is one sentence and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # Broken videos are counted and listed; ffmpeg need not complain as well.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # Each of torchrun's processes would say what DDP might do faster.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        app()
    except InputError as error:
        typer.echo(f"assay: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("assay: interrupted; the same command goes on from here", err=True)
        sys.exit(130)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assay {version('assay-deepfake')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """A benchmark harness for face-deepfake detectors."""


@app.command("list")
def list_command(kind: Annotated[Kind, typer.Argument(help="What to list.")], plugin: Plugin = None) -> None:
    """List what can be chosen by name."""
    from benchmark.listing import names

    _load_plugins(plugin)
    for name, about in names(kind.value):
        typer.echo(f"{name:20} {about}".rstrip())


@app.command()
def preprocess(
    dataset: Annotated[str, typer.Argument(help="A data set (assay list datasets) or a YAML file.")],
    root: Annotated[Path, typer.Option(help="Folder that holds its videos or images.")],
    data: Data = Path("data"),
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of each video; default 32.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Every n-th frame instead.")] = None,
    compression: Annotated[str | None, typer.Option(help="Only this level: raw, c23 or c40.")] = None,
    mode: Annotated[str | None, typer.Option(help="fast, or exact: DeepfakeBench's own search.")] = None,
    landmarks: Landmarks = None,
    workers: Workers = None,
    engine: Annotated[str, typer.Option(help="local: processes of this machine; ray: a Ray cluster.")] = "local",
    shard: Annotated[str | None, typer.Option(help="i/n: the i-th of n shares; then 'assay merge'.")] = None,
    plugin: Plugin = None,
) -> None:
    """Videos or images to aligned face crops with landmarks, in LMDB with a manifest."""
    from benchmark.preprocess import preprocess_dataset

    _load_plugins(plugin)
    preprocess_dataset(
        dataset,
        root,
        data,
        profile=profile,
        frames=frames,
        stride=stride,
        compression=compression,
        mode=mode,
        landmarks=landmarks,
        workers=workers,
        engine=engine,
        shard=shard,
        console=_console(),
    )


@app.command()
def merge(
    dataset: Annotated[str, typer.Argument(help="A data set that was preprocessed with --shard.")],
    data: Data = Path("data"),
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
) -> None:
    """Join the shards of a preprocessed data set into one manifest."""
    from benchmark.preprocess import merge_dataset

    merge_dataset(dataset, data, profile=profile, console=_console())


@app.command()
def train(
    detector: Annotated[str, typer.Argument(help="A detector (assay list detectors) or a YAML file.")],
    train: Sets = None,
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Run folder; default: results/runs/DETECTOR.")] = None,
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    protocol: ProtocolName = "corrected",
    overrides: Assignments = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    keep_epochs: Annotated[bool, typer.Option("--keep-epochs", help="Keep the weights of every epoch.")] = False,
    device: Device = "auto",
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Train a detector; the best epoch is chosen on the source's val split. Several GPUs: through torchrun."""
    from benchmark.train import train_detector
    from config.processes import join
    from evaluation.protocol import Protocol

    with join(device) as group:
        _load_plugins(plugin)
        train_detector(
            detector,
            data,
            out,
            train_sets=train,
            profile=profile,
            protocol=Protocol.parse(protocol),
            overrides=overrides or (),
            resume=resume,
            keep_epochs=keep_epochs,
            device=device,
            workers=workers,
            console=_console(quiet=not group.leads),
            group=group,
        )


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Argument(help="A run folder, or weights (.safetensors, .pth).")],
    test: Annotated[list[str], typer.Option(help="Data set; may be given several times.")],
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Where to write; default: beside the weights.")] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "test",
    threshold_on: ThresholdOn = None,
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    protocol: ProtocolName = "corrected",
    detector: Annotated[str | None, typer.Option(help="Detector of weights that do not say it themselves.")] = None,
    overrides: Assignments = None,
    precision: Annotated[
        Arithmetic, typer.Option(help="auto: bf16 on a CPU made for it, if scores hardly differ; else fp32.")
    ] = Arithmetic.auto,
    device: Device = "auto",
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Score test sets; write score tables, records, and metrics with intervals. Several GPUs: through torchrun."""
    from benchmark.evaluate import evaluate_weights
    from config.processes import join
    from evaluation.protocol import Protocol

    with join(device) as group:
        _load_plugins(plugin)
        evaluate_weights(
            weights,
            test,
            data,
            out,
            split=split,
            threshold_on=threshold_on or (),
            profile=profile,
            protocol=Protocol.parse(protocol),
            detector_name=detector,
            overrides=overrides or (),
            precision=precision.value,
            device=device,
            workers=workers,
            console=_console(quiet=not group.leads),
            group=group,
        )


@app.command()
def infer(
    files: Annotated[list[Path], typer.Argument(help="Images and videos.")],
    weights: Annotated[Path, typer.Option(help="A run folder, or weights (.safetensors, .pth).")],
    detector: Annotated[str | None, typer.Option(help="Detector of weights that do not say it themselves.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of each video; default 32.")] = None,
    all_faces: Annotated[
        bool, typer.Option("--all-faces/--largest-face", help="Each face, or the largest followed through a clip.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="Folder for NAME.json and NAME.png; default: JSON on stdout.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    landmarks: Landmarks = None,
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """Score single files: P(fake) of each face, of each frame, and of the whole, as JSON and as a picture."""
    from benchmark.infer import infer_files, to_json

    _load_plugins(plugin)
    results = infer_files(
        files,
        weights,
        detector_name=detector,
        frames=frames,
        all_faces=all_faces,
        out=out,
        device=device,
        landmarks=landmarks,
        profile=profile,
        console=Console(stderr=True, soft_wrap=True),
    )
    if results and out is None:
        typer.echo(to_json(results))
    if len(results) < len(files):
        raise typer.Exit(2)


@app.command()
def table(
    scores: Annotated[list[Path], typer.Argument(help="Score tables (scores.parquet) or folders that hold some.")],
    metric: Annotated[
        str, typer.Option(help="frame_ or video_ and auc, eer, ap, acc, ece, brier, tpr_at_1pct, fpr_at_1pct, ...")
    ] = "frame_auc",
    intervals: Annotated[
        bool, typer.Option("--intervals", help="95 % intervals from a bootstrap over videos.")
    ] = False,
    over_seeds: Annotated[
        bool, typer.Option("--over-seeds", help="Mean ± deviation of the runs that differ in their seed alone.")
    ] = False,
    threshold_on: ThresholdOn = None,
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    form: Form = Format.md,
) -> None:
    """One leaderboard of score tables: a row for each run, a column for each test set."""
    from benchmark.leaderboard import leaderboard
    from benchmark.seeds import leaderboard_over_seeds
    from evaluation.render import FORMATS

    if intervals and over_seeds:
        raise InputError("--intervals and --over-seeds both put a spread beside the values; choose one of them")
    on = threshold_on or ()
    if over_seeds:
        drawn = leaderboard_over_seeds(scores, metric, threshold_on=on)
    else:
        drawn = leaderboard(scores, metric, intervals=intervals, threshold_on=on, resamples=resamples, seed=seed)
    typer.echo(FORMATS[form.value](drawn), nl=False)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A score table (scores.parquet), or a folder that holds one.")],
    second: Annotated[Path, typer.Argument(help="Another detector's, of the same test set.")],
    metric: Annotated[str, typer.Option(help="frame_auc or video_auc.")] = "frame_auc",
    resamples: Resamples = 1000,
    seed: BootstrapSeed = 0,
    form: Form = Format.md,
) -> None:
    """Two detectors on the same samples: the difference of their AUCs, its interval and p-values."""
    from benchmark.leaderboard import comparison_table
    from evaluation.render import FORMATS

    drawn = comparison_table(first, second, metric, resamples=resamples, seed=seed)
    typer.echo(FORMATS[form.value](drawn), nl=False)


@app.command()
def perf(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds.")] = False,
    detector: Annotated[str, typer.Option(help="A detector (assay list detectors) or a YAML file.")] = "efficientnetb4",
    batch: Annotated[int | None, typer.Option(min=1, help="Faces of a batch; default 8, 4 with --quick.")] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Pixels of the network's input; default: the YAML's.")
    ] = None,
    device: Device = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Also measure torch.compile, in bf16.")] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file for the measurements.")] = None,
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Measure how fast each stage is on this machine, beside a floor that is measured with it."""
    from benchmark.perf.run import run_perf
    from benchmark.perf.stage import FULL, QUICK
    from evaluation.render import to_rich

    _load_plugins(plugin)
    console = _console()
    scale = QUICK if quick else FULL
    measured = run_perf(
        detector,
        batch=batch,
        size=size,
        device=device,
        compiled=compiled,
        workers=workers,
        scale=scale,
        console=console,
    )
    console.print(to_rich(measured.table()))
    if out:
        measured.write(out)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the clips and of training.")] = 0,
    landmarks: Landmarks = None,
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """Everything on the embedded data set, in minutes: videos, crops, training, tables, an HTML report."""
    from benchmark.demo.run import run_demo

    run_demo(
        out,
        faces=faces,
        seed=seed,
        landmarks=landmarks,
        device=device,
        workers=workers,
        console=_console(),
    )


def _console(quiet: bool = False) -> Console:
    console = Console(soft_wrap=True, quiet=quiet)
    return console if console.is_terminal else Console(soft_wrap=True, width=WIDTH_OF_LOGS, quiet=quiet)


def _load_plugins(paths: list[Path] | None) -> Any:
    from config.registry import load_plugin

    for path in paths or ():
        load_plugin(path)
