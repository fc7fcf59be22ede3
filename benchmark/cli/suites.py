"""Commands that make a paper's table."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Data, Device, Landmarks, Loaders, Plugin, load_plugins, make_console
from benchmark.suites.overwrite import Overwrite


def reproduce(
    suite: Annotated[str, typer.Argument(help="A suite (assay list suites) or a YAML file.")],
    plan: Annotated[bool, typer.Option("--plan", help="Show cells, what they wait for and cost.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="On the demo's data, with the demo's small network.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only rows that fit, such as 'sbi*'; repeatable.")] = None,
    overwrite: Annotated[Overwrite, typer.Option(help="What becomes of cells that are there.")] = Overwrite.MISSING,
    data: Data = Path("data"),
    out: Annotated[Path | None, typer.Option(help="Folder of results; default: results, or demo with --demo.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --demo: of the clips and of training.")] = 0,
    landmarks: Landmarks = None,
    device: Device = "auto",
    workers: Loaders = None,
    plugin: Plugin = None,
) -> None:
    """Make one table of a paper and its figures: what is missing of runs and scores, then all files of them."""
    from benchmark.suites.reproduce import reproduce as make
    from benchmark.suites.run import Machine

    load_plugins(plugin)
    make(
        suite,
        data,
        out or Path("demo" if demo else "results"),
        demo=demo,
        only_plan=plan,
        only=only or (),
        overwrite=overwrite,
        machine=Machine(device, workers),
        landmarks=landmarks,
        seed=seed,
        console=make_console(),
    )
