"""Commands that run all of the project: its speed, its demo, and what it has by name."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Device, Landmarks, Loaders, Plugin, Workers, load_plugins, make_console


class Kind(StrEnum):
    """What `assay list` lists."""

    detectors = "detectors"
    backbones = "backbones"
    losses = "losses"
    recipes = "recipes"
    pseudofakes = "pseudofakes"
    datasets = "datasets"
    layouts = "layouts"
    perturbations = "perturbations"
    suites = "suites"


def list_command(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    name: Annotated[str | None, typer.Argument(help="Only this one; of a suite, in detail.")] = None,
    plugin: Plugin = None,
) -> None:
    """List what can be chosen by name."""
    load_plugins(plugin)
    if kind == Kind.suites:
        from benchmark.suites.overview import show_suite, show_suites

        show_suite(name, make_console()) if name else show_suites(make_console())
        return
    from benchmark.listing import entry, names

    for heading, about in entry(kind.value, name) if name else names(kind.value):
        typer.echo(f"{heading:20} {about}".rstrip())


def perf(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds.")] = False,
    detector: Annotated[str, typer.Option(help="A detector (assay list detectors) or a YAML file.")] = "efficientnetb4",
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images of a batch; default about 8, 4 with --quick.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Pixels of the network's input; default: the YAML's.")
    ] = None,
    device: Device = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Also measure torch.compile, in bf16.")] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file for the measurements.")] = None,
    workers: Loaders = None,
    manifest: Annotated[
        int | None, typer.Option(min=1, help="Instead, measure a made-up manifest of so many rows.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Measure how fast each stage is on this machine, beside a floor that is measured with it."""
    from benchmark.perf.manifest import measure_manifest
    from benchmark.perf.run import run_perf
    from benchmark.perf.stage import FULL, QUICK
    from evaluation.render import to_rich

    load_plugins(plugin)
    console = make_console()
    if manifest:
        console.print(to_rich(measure_manifest(manifest, console)))
        return
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


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo"),
    detectors: Annotated[
        list[str] | None,
        typer.Option(
            help="What to train, by name or YAML file, with the baseline's small network; with commas, or repeatable. "
            "Default: the rows of the suite demo."
        ),
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the clips and of training.")] = 0,
    landmarks: Landmarks = None,
    device: Device = "auto",
    workers: Workers = None,
) -> None:
    """Everything on the embedded data set, in minutes: videos, crops, training, tables, an HTML report."""
    from benchmark.demo.run import run_demo

    chosen = [name.strip() for given in detectors or () for name in given.split(",")]
    run_demo(
        out,
        detectors=chosen,
        faces=faces,
        seed=seed,
        landmarks=landmarks,
        device=device,
        workers=workers,
        console=make_console(),
    )
