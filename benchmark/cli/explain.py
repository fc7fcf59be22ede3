"""Commands that show in pictures what happens to faces."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli import fakes
from benchmark.cli.options import (
    Assignments,
    Data,
    Device,
    Landmarks,
    Picture,
    Plugin,
    Profile,
    load_plugins,
    make_console,
)

app = typer.Typer(no_args_is_help=True, help="Pictures of what happens to faces, and of what detectors make of them.")

RUNS = "Run folders, evaluation folders, or"
for command in (fakes.pseudofakes, fakes.masks, fakes.affs, fakes.regions):
    app.command()(command)


@app.command()
def cam(
    weights: Annotated[list[Path], typer.Argument(help="Run folders, or weights (.safetensors, .pth), to compare.")],
    test: Annotated[str, typer.Option(help="Data set whose faces are shown.")],
    data: Data = Path("data"),
    split: Annotated[str, typer.Option(help="Split of it.")] = "test",
    per_class: Annotated[int, typer.Option(min=1, help="Faces of the reals and of each manipulation.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces, and of fakes.")] = 0,
    pseudofake: Annotated[
        str | None, typer.Option(help="Also fakes of the reals shown by this composition (assay list pseudofakes).")
    ] = None,
    profile: Profile = "dfb",
    detector: Annotated[str | None, typer.Option(help="Detector of weights that do not say it themselves.")] = None,
    overrides: Assignments = None,
    out: Picture = Path("cam.png"),
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
        pseudofake=pseudofake,
        detector_name=detector,
        overrides=overrides or (),
        device=device,
    )
    show(sheet.figure(), out, [sheet.table()], make_console())


@app.command()
def embed(
    features: Annotated[list[Path], typer.Argument(help=f"{RUNS} feature files (features.parquet).")],
    most: Annotated[int, typer.Option(min=1, help="Faces of each file, drawn evenly by class.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces and of t-SNE.")] = 0,
    threshold_on: Annotated[
        list[str] | None,
        typer.Option(help="Ring reals called fake at the threshold of this data set's val scores; repeatable."),
    ] = None,
    out: Picture = Path("embed.png"),
) -> None:
    """Features of faces in a plane, by t-SNE; and how far reals and fakes lie apart, as a number."""
    from benchmark.explain.embed import draw_embedded, embedding_table
    from benchmark.explain.embed import embed as lay_out
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    found = lay_out(features, seed=seed, most=most, threshold_on=threshold_on or ())
    show(draw_embedded(found, seed), out, [embedding_table(found)], make_console())


@app.command()
def organisation(
    weights: Annotated[list[Path], typer.Argument(help="Run folders, or weights (.safetensors, .pth), to compare.")],
    test: Annotated[str, typer.Option(help="Data set of whose faces tuples are made.")],
    data: Data = Path("data"),
    split: Annotated[str, typer.Option(help="Split of it.")] = "test",
    most: Annotated[int, typer.Option(min=1, help="Tuples, drawn evenly from the manipulations.")] = 250,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the tuples, of their fakes, and of t-SNE.")] = 0,
    layout: Annotated[
        str, typer.Option(help="auto: features of two numbers as they are, others by t-SNE; tsne: all by t-SNE.")
    ] = "auto",
    pseudofake: Annotated[str, typer.Option(help="Composition of the fakes (assay list pseudofakes).")] = "sbi",
    profile: Profile = "dfb",
    detector: Annotated[str | None, typer.Option(help="Detector of weights that do not say it themselves.")] = None,
    overrides: Assignments = None,
    out: Picture = Path("organisation.png"),
    device: Device = "auto",
    plugin: Plugin = None,
) -> None:
    """Features of real faces, of SBI and CBI of them, and of deepfakes of the same frames; and their order."""
    from benchmark.explain.organisation import draw_organisation, organisation_table, read_organisation
    from benchmark.explain.plane import check_layout
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    check_layout(layout)
    load_plugins(plugin)
    found = read_organisation(
        weights,
        test,
        data,
        split=split,
        most=most,
        seed=seed,
        profile=profile,
        pseudofake=pseudofake,
        detector_name=detector,
        overrides=overrides or (),
        device=device,
    )
    show(draw_organisation(found, layout), out, [organisation_table(found)], make_console())


@app.command()
def tuples(
    test: Annotated[str, typer.Option(help="Data set of whose faces tuples are made.")],
    data: Data = Path("data"),
    split: Annotated[str, typer.Option(help="Split of it.")] = "test",
    compression: Annotated[str, typer.Option(help="Level of a data set that has several.")] = "c23",
    rows: Annotated[int, typer.Option(min=1, help="Tuples, drawn evenly from the manipulations.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the tuples and of their fakes.")] = 0,
    pseudofake: Annotated[str, typer.Option(help="Composition of the fakes (assay list pseudofakes).")] = "sbi",
    profile: Profile = "dfb",
    out: Picture = Path("tuples.png"),
) -> None:
    """What ProDet learns from: real faces, SBI and CBI of them, and deepfakes of the same frames."""
    from benchmark.explain.show import show
    from benchmark.explain.tuples import draw_tuples, open_tuples
    from evaluation.plots.style import check_form

    check_form(out)
    found = open_tuples(
        test,
        data,
        compression=compression,
        split=split,
        most=rows,
        seed=seed,
        profile=profile,
        pseudofake=pseudofake,
    )
    show(draw_tuples(found), out, [], make_console())


@app.command()
def examples(
    scores: Annotated[list[Path], typer.Argument(help=f"{RUNS} score tables (scores.parquet).")],
    test: Annotated[str, typer.Option(help="Data set whose faces are shown.")],
    data: Data = Path("data"),
    count: Annotated[int, typer.Option(min=1, help="Faces of the reals, and as many fakes.")] = 3,
    threshold_on: Annotated[
        list[str] | None,
        typer.Option(help="Only faces misjudged at the threshold of this data set's val scores; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces.")] = 0,
    profile: Profile = "dfb",
    out: Picture = Path("examples.png"),
) -> None:
    """Real and fake faces from low to high scores of the first detector, with the scores of all of them."""
    from benchmark.explain.examples import read_examples
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    on = threshold_on or ()
    found = read_examples(scores, test, data, count=count, seed=seed, profile=profile, threshold_on=on)
    show(found.figure(), out, [found.table()], make_console())


@app.command()
def confidence(
    scores: Annotated[list[Path], typer.Argument(help=f"{RUNS} score tables (scores.parquet).")],
    out: Picture = Path("confidence.png"),
) -> None:
    """How P(fake), and log(p / (1 - p)), are spread over real and over fake frames."""
    from benchmark.explain.confidence import confidence_table, read_confidence
    from benchmark.explain.show import show
    from evaluation.plots.explanations import confidence_rows
    from evaluation.plots.style import check_form

    check_form(out)
    sets = read_confidence(scores)
    show(confidence_rows(sets), out, [confidence_table(sets)], make_console())


@app.command()
def robustness(
    perturbed: Annotated[list[Path], typer.Argument(help=f"{RUNS} tables of perturbed scores (perturbed.parquet).")],
    metric: Annotated[str, typer.Option(help="frame_auc, video_auc, mpd, or another of assay table.")] = "frame_auc",
    relative: Annotated[
        bool, typer.Option("--relative", help="The share that it changes by; of mpd, in typical distances.")
    ] = False,
    out: Picture = Path("robustness.png"),
) -> None:
    """A metric by level of each perturbation, from the clean crops on."""
    from benchmark.explain.robustness import draw_robustness, levels_table, read_perturbed
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    found = read_perturbed(perturbed, metric)
    show(draw_robustness(found, metric, relative), out, [levels_table(found, metric, relative)], make_console())


@app.command()
def distances(
    features: Annotated[
        list[Path], typer.Argument(help=f"{RUNS} feature files (features.parquet), made under suites of perturbations.")
    ],
    level: Annotated[int, typer.Option(min=1, help="Level of the perturbations.")] = 1,
    perturbation: Annotated[str | None, typer.Option(help="One alone; default: the mean over a suite's.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Faces shown of each file, drawn evenly by class.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the choice of faces and of t-SNE.")] = 0,
    out: Picture = Path("distances.png"),
) -> None:
    """How far perturbations move each face in the space of features: perturbed distances (PD), and their mean mPD."""
    from benchmark.explain.distances import distances_table, draw_distances, read_distances
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    found = read_distances(features, level=level, perturbation=perturbation, seed=seed, most=most)
    show(draw_distances(found, seed), out, [distances_table(found)], make_console())


@app.command()
def errors(
    scores: Annotated[list[Path], typer.Argument(help=f"{RUNS} score tables (scores.parquet).")],
    threshold_on: Annotated[
        list[str], typer.Option(help="Data set trained on, whose val scores choose the threshold; repeatable.")
    ],
    level: Annotated[str, typer.Option(help="frame or video.")] = "frame",
    out: Picture = Path("errors.png"),
) -> None:
    """Reals called fake and fakes called real, at the threshold where val errs equally on both."""
    from benchmark.explain.errors import draw_errors, errors_table, read_errors
    from benchmark.explain.show import show
    from evaluation.plots.style import check_form

    check_form(out)
    found = read_errors(scores, threshold_on, level)
    show(draw_errors(found, threshold_on, level), out, [errors_table(found, threshold_on, level)], make_console())


@app.command()
def perturbations(
    suite: Annotated[str, typer.Argument(help="A suite (assay list perturbations) or a YAML file.")] = "levels",
    faces: Annotated[Path | None, typer.Option(help="Your own photographs instead of the embedded stills.")] = None,
    profile: Profile = "dfb",
    out: Picture = Path("perturbations.png"),
    rows: Annotated[int, typer.Option(min=1, help="Faces of each perturbation.")] = 1,
    landmarks: Landmarks = None,
    plugin: Plugin = None,
) -> None:
    """What a suite makes of a face: each perturbation at each level, or some draws of it where it has one level."""
    from benchmark.explain.perturbations import explain_perturbations

    load_plugins(plugin)
    explain_perturbations(
        suite, out, faces=faces, profile=profile, landmarks=landmarks, rows=rows, console=make_console()
    )
