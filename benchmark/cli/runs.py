"""Commands that run a detector: train, evaluate, infer."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmark.cli.options import (
    Assignments,
    Data,
    DetectorFile,
    Device,
    Landmarks,
    Loaders,
    Plugin,
    ProtocolName,
    Sets,
    ThresholdOn,
    load_plugins,
    make_console,
)


class Arithmetic(StrEnum):
    """In which precision `assay evaluate` runs a network."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


def train(
    detector: Annotated[str, typer.Argument(help="A detector (assay list detectors) or a YAML file.")],
    train: Sets = None,
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Run folder; default: results/runs/DETECTOR[_VARIANT].")] = None,
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    protocol: ProtocolName = "corrected",
    overrides: Assignments = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    keep_epochs: Annotated[bool, typer.Option("--keep-epochs", help="Keep the weights of every epoch.")] = False,
    device: Device = "auto",
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Train a detector; the best epoch is chosen on the source's val split, if any. Several GPUs: through torchrun."""
    from benchmark.train import train_detector
    from config.processes import join
    from evaluation.protocol import Protocol

    with join(device) as group:
        load_plugins(plugin)
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
            console=make_console(quiet=not group.leads),
            group=group,
        )


def evaluate(
    weights: Annotated[Path, typer.Argument(help="A run folder, or weights (.safetensors, .pth).")],
    test: Annotated[list[str], typer.Option(help="Data set; may be given several times.")],
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Where to write; default: beside the weights.")] = None,
    split: Annotated[str, typer.Option(help="Split to score.")] = "test",
    threshold_on: ThresholdOn = None,
    perturb: Annotated[
        list[str] | None, typer.Option(help="Perturbation suite (assay list perturbations) or a YAML file; repeatable.")
    ] = None,
    features: Annotated[bool, typer.Option("--features", help="Also write the network's features.")] = False,
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
    from benchmark.scoring import ScoringOptions
    from config.processes import join
    from evaluation.protocol import Protocol

    with join(device) as group:
        load_plugins(plugin)
        options = ScoringOptions(
            data,
            make_console(quiet=not group.leads),
            out,
            profile=profile,
            protocol=Protocol.parse(protocol),
            detector_name=detector,
            overrides=overrides or (),
            precision=precision.value,
            device=device,
            workers=workers,
            features=features,
            group=group,
        )
        evaluate_weights(weights, test, options, split=split, threshold_on=threshold_on or (), perturb=perturb or ())


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
    detector_file: DetectorFile = None,
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """Score single files: P(fake) of each face, of each frame, and of the whole, as JSON and as a picture."""
    from benchmark.infer import infer_files, to_json

    load_plugins(plugin)
    results = infer_files(
        files,
        weights,
        detector_name=detector,
        frames=frames,
        all_faces=all_faces,
        out=out,
        device=device,
        landmarks=landmarks,
        detector_file=detector_file,
        profile=profile,
        console=Console(stderr=True, soft_wrap=True),
    )
    if results and out is None:
        typer.echo(to_json(results))
    if len(results) < len(files):
        raise typer.Exit(2)
