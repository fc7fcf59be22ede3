"""Commands that show in pictures what happens to faces."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import Assignments, Data, Device, Landmarks, Plugin, load_plugins, make_console

app = typer.Typer(no_args_is_help=True, help="Pictures of what happens to faces, and of what detectors make of them.")

Profile = Annotated[str, typer.Option(help="Preprocessing profile.")]


@app.command()
def pseudofakes(
    compositions: Annotated[
        list[str] | None,
        typer.Argument(help="Pseudo-fakes (assay list pseudofakes: sbi, adfd_table7/alpha, ...) or YAML files."),
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    train: Annotated[str | None, typer.Option(help="Instead, faces of this preprocessed data set.")] = None,
    data: Data = Path("data"),
    profile: Profile = "dfb",
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


@app.command()
def cam(
    weights: Annotated[list[Path], typer.Argument(help="Run folders, or weights (.safetensors, .pth), to compare.")],
    test: Annotated[str, typer.Option(help="Data set whose faces are shown.")],
    data: Data = Path("data"),
    split: Annotated[str, typer.Option(help="Split of it.")] = "test",
    per_class: Annotated[int, typer.Option(min=1, help="Faces of the reals and of each manipulation.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces.")] = 0,
    profile: Profile = "dfb",
    detector: Annotated[str | None, typer.Option(help="Detector of weights that do not say it themselves.")] = None,
    overrides: Assignments = None,
    out: Annotated[Path, typer.Option(help="The picture: .png, .jpg or .svg.")] = Path("cam.png"),
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """Where in a face each detector sees what speaks for "fake": Grad-CAM, beside the mask of what was replaced."""
    from benchmark.explain.cam import cam_sheet
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    load_plugins(plugin)
    sheet = cam_sheet(
        weights,
        test,
        data,
        split=split,
        per_class=per_class,
        seed=seed,
        profile=profile,
        detector_name=detector,
        overrides=overrides or (),
        device=device,
    )
    show(sheet.figure(), out, [sheet.table()], make_console())
