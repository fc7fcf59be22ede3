"""Options that several commands share, and what every command begins with."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

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
DetectorFile = Annotated[
    Path | None,
    typer.Option("--detector-file", help="YuNet (.onnx) or RetinaFace (.pth) for boxes of loose crops; default: dlib."),
]
Picture = Annotated[Path, typer.Option(help="The picture: .png, .jpg or .svg.")]
Profile = Annotated[str, typer.Option(help="Preprocessing profile.")]
Landmarks = Annotated[Path | None, typer.Option(help="81-point dlib predictor; default: $ASSAY_LANDMARKS, else ours.")]


class Format(StrEnum):
    """How `assay table` and `assay compare` write."""

    csv = "csv"
    md = "md"
    tex = "tex"
    html = "html"


Form = Annotated[Format, typer.Option("--format", help="How to write it.")]


def make_console(quiet: bool = False, stderr: bool = False) -> Console:
    """The console of a command: as wide as the terminal, or WIDTH_OF_LOGS where there is none."""
    console = Console(soft_wrap=True, quiet=quiet, stderr=stderr)
    return console if console.is_terminal else Console(soft_wrap=True, width=WIDTH_OF_LOGS, quiet=quiet, stderr=stderr)


def load_plugins(paths: list[Path] | None) -> None:
    """Import the user's plugin files, whose decorators register what they bring."""
    from benchmark.plugins import load_plugin

    for path in paths or ():
        load_plugin(path)
