"""Commands that show in pictures what happens to faces."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Assignments, Data, Device, Landmarks, make_console

app = typer.Typer(no_args_is_help=True, help="Pictures of what happens to faces.")


@app.command()
def pseudofakes(
    compositions: Annotated[
        list[str] | None,
        typer.Argument(help="Pseudo-fakes (assay list pseudofakes: sbi, adfd_table7/alpha, ...) or YAML files."),
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Annotated[str, typer.Option(help="Preprocessing profile.")] = "dfb",
    out: Annotated[Path, typer.Option(help="The picture: .png, .jpg or .svg.")] = Path("pseudofakes.png"),
    rows: Annotated[int, typer.Option(min=1, help="Faces of each composition.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all draws.")] = 0,
    overrides: Assignments = None,
    landmarks: Landmarks = None,
    device: Device = "cpu",
) -> None:
    """What a composition makes of faces: mask, source, target, fake, and what the fake differs in. Default: sbi."""
    from benchmark.explain.pseudofakes import explain_pseudofakes

    explain_pseudofakes(
        compositions or ["sbi"],
        out,
        faces=faces,
        data=data,
        train=train,
        profile=profile,
        landmarks=landmarks,
        rows=rows,
        seed=seed,
        overrides=overrides or (),
        device=device,
        console=make_console(),
    )
