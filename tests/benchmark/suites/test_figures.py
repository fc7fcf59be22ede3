"""A suite's figures: what `assay explain` draws, of cells; what they add to a plan, what they wait for."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.explain.cam import cam_sheet
from benchmark.explain.distances import distances_table, read_distances
from benchmark.explain.embed import embed, embedding_table
from benchmark.explain.errors import errors_table, read_errors
from benchmark.explain.examples import examples_of
from benchmark.explain.robustness import level_curves, read_perturbed
from benchmark.places import features_path
from benchmark.suites.cost import Costs
from benchmark.suites.figures import Drawn, Shown, draw_figure, draw_figures
from benchmark.suites.plan import Plan, plan_suite
from benchmark.suites.run import Machine, run_plan
from benchmark.suites.show import show_plan
from benchmark.suites.table import suite_table
from config.errors import InputError
from config.load import validate
from config.suite import SuiteConfig
from evaluation.scores import read_scores
from evaluation.tables import Deviation
from tests.dfb import write_ffpp

FFPP = "FaceForensics++"
SMALL = ("nEpochs=1", "resolution=64", "train_batchSize=2", "pretrained=null")
NOISE = "on: crop\nperturbations: {gaussian_noise: [{variance: 25}, {variance: 100}]}"
CPU = Machine("cpu", 0)


def rows(*names: str) -> list[dict]:
    """Small detectors that differ in their seed, which is their name."""
    return [{"name": n, "detector": "efficientnet_lite0", "set": [*SMALL, f"manualSeed={n}"]} for n in names]


def suite_of(figures: list[dict], **changes) -> SuiteConfig:
    columns = [{"metric": "frame_auc", "test": {"FF++": FFPP, "NT": "FF-NT"}, "averages": {"Avg.": []}}]
    content = {
        "title": "A table",
        "train": [FFPP],
        "rows": rows("1", "2"),
        "columns": columns,
        "footnotes": ["Not of the paper"],
    }
    return validate(SuiteConfig, content | {"figures": figures, **changes}, "mine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, and a perturbation suite."""
    folder = tmp_path_factory.mktemp("figures")
    write_ffpp(folder / "data")
    (folder / "noise.yaml").write_text(NOISE)
    return folder


def plan(folder: Path, drawn: list[dict], only: tuple[str, ...] = (), **changes) -> Plan:
    return plan_suite("mine", suite_of(drawn, **changes), folder / "data", folder / "runs", only)


@pytest.fixture(scope="module")
def of_all_kinds(folder: Path) -> Plan:
    """A figure of each kind, with all cells."""
    noise = {"perturb": str(folder / "noise.yaml"), "test": FFPP}
    drawn = [
        {"kind": "bars", "title": "Bars"},
        {"kind": "robustness", **noise},
        {"kind": "robustness", "name": "by_level", "metric": "mpd", **noise},
        {"kind": "distances", "level": 2, **noise},
        {"kind": "confidence", "test": {"FF++": FFPP, "NT": "FF-NT"}, "rows": ["2"]},
        {"kind": "embed", "test": FFPP},
        {"kind": "cam", "test": FFPP, "per_class": 1},
        {"kind": "cam", "name": "cam_sbi", "test": FFPP, "per_class": 1, "pseudofake": "sbi"},
        {"kind": "examples", "test": FFPP, "count": 2},
    ]
    made = plan(folder, drawn)
    run_plan(made, CPU, Console(quiet=True))
    return made


def drawn(plan: Plan, name: str) -> Drawn:
    (config,) = (figure for figure in plan.suite.figures if figure.file == name)
    return draw_figure(config, plan, suite_table(plan), CPU)


def told(plan: Plan, out: Path) -> list[str]:
    """What is said of a plan's figures, which are drawn."""
    words = io.StringIO()
    draw_figures(plan, suite_table(plan), out, CPU, Console(file=words))
    return words.getvalue().splitlines()


def scores(plan: Plan) -> tuple[list[Path], list[Path]]:
    """Of each row the clean and the perturbed scores."""
    cells = [list(entry.scores.values()) for entry in plan.trained]
    return tuple(
        [cell.scores for of in cells for cell in of if cell.test == FFPP and bool(cell.perturb) == perturbed]
        for perturbed in (False, True)
    )


def test_a_plan_has_the_cells_of_its_figures_each_once(of_all_kinds: Plan):
    for entry in of_all_kinds.trained:
        found = [(cell.test, cell.perturb and cell.perturb.name, cell.with_features) for cell in entry.scores.values()]
        assert found == [(FFPP, None, True), ("FF-NT", None, False), (FFPP, "noise", True)]
    shown = plan_suite("mine", suite_of([{"kind": "embed", "test": "DFDC", "rows": ["2"]}]), Path("."), Path("."))
    assert [("DFDC", "test", None) in entry.scores for entry in shown.trained] == [False, True]


def test_bars_are_the_tables_columns_with_their_average(of_all_kinds: Plan):
    (axes,) = drawn(of_all_kinds, "bars").picture.axes
    table = suite_table(of_all_kinds)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["FF++", "NT", "Avg."]
    caption = " ".join(drawn(of_all_kinds, "bars").picture.get_supxlabel().split())
    assert caption.startswith("Not of the paper. ")
    assert "landmarks: a predictor" in caption
    assert "noise" not in caption
    lengths = [[bar.get_width() for bar in row] for row in axes.containers]
    assert lengths == [list(row) for row in table.values]


def test_lines_and_panels_are_what_assay_explain_draws_of_the_same_files_and_have_the_rows_names(of_all_kinds: Plan):
    clean, perturbed = scores(of_all_kinds)
    for name, metric in (("robustness", "frame_auc"), ("by_level", "mpd")):
        made = drawn(of_all_kinds, name)
        (axes,) = made.picture.axes
        expected = [level_curves(read_perturbed([path], metric)[0], "", metric)[0] for path in perturbed]
        assert [line.get_label() for line in axes.lines] == ["1", "2"]
        assert [line.get_ydata().tolist() for line in axes.lines] == [curve.means for curve in expected]
        assert made.numbers.rows == ("1: gaussian_noise", "2: gaussian_noise")
    made = drawn(of_all_kinds, "confidence")
    assert made.numbers.rows == ("2 on FF++", "2 on NT")
    fakes = read_scores(clean[1]).query("label == 1")["score"]
    assert made.numbers.values[0][3] == pytest.approx(fakes.mean())
    made = drawn(of_all_kinds, "cam")
    assert [column.name for column in made.numbers.columns] == ["1", "2"]
    folders = [entry.cell.folder for entry in of_all_kinds.trained]
    expected = cam_sheet(folders, FFPP, of_all_kinds.trained[0].cell.data, per_class=1).table()
    assert made.numbers.values == expected.values
    made = drawn(of_all_kinds, "cam_sbi")
    assert [row.partition(":")[0] for row in made.numbers.rows] == ["real", "sbi", "Deepfakes", "NeuralTextures"]
    assert (made.numbers.values[0], *made.numbers.values[2:]) == expected.values


def test_examples_are_what_assay_explain_draws_of_the_same_tables_and_have_the_rows_names(of_all_kinds: Plan):
    made = drawn(of_all_kinds, "examples")
    clean, _ = scores(of_all_kinds)
    expected = examples_of([("1", clean[0]), ("2", clean[1])], FFPP, of_all_kinds.trained[0].cell.data, count=2)
    assert made.numbers == expected.table()
    assert [column.name for column in made.numbers.columns] == ["1", "2"]
    assert len(made.picture.axes) == 2 * (1 + len(expected.images))


def test_features_are_laid_out_as_assay_explain_does(of_all_kinds: Plan, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="t-SNE needs the features of at least 8 faces, not of 6"):
        drawn(of_all_kinds, "embed")
    monkeypatch.setattr("benchmark.explain.plane.FEWEST", 6)
    clean, perturbed = ([features_path(path) for path in paths] for paths in scores(of_all_kinds))
    made = drawn(of_all_kinds, "embed")
    assert made.numbers.values == embedding_table(embed(clean)).values
    assert [axes.get_title(loc="left") for axes in made.picture.axes] == [f"1 on {FFPP}", f"2 on {FFPP}"]
    made = drawn(of_all_kinds, "distances")
    assert made.numbers.values == distances_table(read_distances(perturbed, level=2)).values
    assert made.numbers.rows == (f"1 on {FFPP}", f"2 on {FFPP}")


@pytest.fixture(scope="module")
def at_thresholds(folder: Path, of_all_kinds: Plan) -> Plan:
    """The same runs as a sweep, with the scores of val that choose thresholds."""
    swept = {"name": "seed", "detector": "efficientnet_lite0", "set": [*SMALL]}
    drawn = [
        {"kind": "sweep"},
        {"kind": "errors", "test": {"FF++": FFPP}, "level": "video"},
        {"kind": "embed", "test": FFPP, "mark_errors": True, "rows": ["seed = 2"]},
        {"kind": "examples", "test": FFPP, "misjudged": True, "rows": ["seed = 2"]},
    ]
    rows = [swept | {"sweep": {"key": "manualSeed", "values": [2, 1]}}, {"name": "never trained", "detector": "vht"}]
    made = plan(folder, drawn, ("seed*",), rows=rows, threshold_on=[FFPP])
    run_plan(made, CPU, Console(quiet=True))
    assert {entry.cell.folder for entry in made.trained} == {entry.cell.folder for entry in of_all_kinds.trained}
    return made


def test_a_sweep_is_a_curve_of_the_tables_values_for_each_column(at_thresholds: Plan, of_all_kinds: Plan):
    panels = drawn(at_thresholds, "sweep").picture.axes
    values = suite_table(of_all_kinds).values
    assert [axes.get_title(loc="left") for axes in panels] == ["FF++", "NT", "Avg."]
    for axes, column in zip(panels, zip(*values, strict=True), strict=True):
        (line,) = axes.lines
        assert (line.get_label(), axes.get_xlabel()) == ("seed", "manualSeed")
        assert line.get_xdata().tolist() == [1, 2]
        assert line.get_ydata().tolist() == list(column)
    assert "band" not in drawn(at_thresholds, "sweep").picture.get_supxlabel()


def test_bands_of_a_sweep_are_the_tables_deviations(at_thresholds: Plan):
    table = suite_table(at_thresholds)
    spreads = tuple((Deviation(0.1), Deviation(0.2), None) for _ in table.rows)
    (config,) = (figure for figure in at_thresholds.suite.figures if figure.file == "sweep")
    picture = draw_figure(config, at_thresholds, replace(table, spreads=spreads), CPU).picture
    for axes, deviation, column in zip(picture.axes, (0.1, 0.2, 0), zip(*table.values, strict=True), strict=True):
        heights = {round(float(y), 6) for _, y in axes.collections[0].get_paths()[0].vertices}
        assert heights == {round(value + sign * deviation, 6) for value in column for sign in (-1, 1)}
    assert "bands: standard deviation over seeds" in picture.get_supxlabel()


def test_errors_and_marks_are_what_assay_explain_draws_of_the_same_files(
    at_thresholds: Plan, monkeypatch: pytest.MonkeyPatch
):
    second, first = ([entry.scores[FFPP, "test", None].scores] for entry in at_thresholds.trained)
    expected = errors_table(read_errors([*second, *first], [FFPP], "video"), [FFPP], "video")
    made = drawn(at_thresholds, "errors")
    assert (made.numbers.columns, made.numbers.values) == (expected.columns, expected.values)
    assert made.numbers.rows == ("seed = 2, FF++", "seed = 1, FF++")
    monkeypatch.setattr("benchmark.explain.plane.FEWEST", 6)
    made = drawn(at_thresholds, "embed")
    expected = embedding_table(embed([features_path(second[0])], threshold_on=[FFPP]))
    assert made.numbers.values == expected.values
    reals = read_scores(second[0]).query("label == 0")["score"].dropna()
    (*_, wrong, of, share, threshold) = made.numbers.values[0]
    assert (wrong, of) == ((reals > threshold).sum(), len(reals))
    assert share == pytest.approx(wrong / of)
    title = made.picture.axes[0].get_title(loc="left")
    assert title == f"seed = 2 on {FFPP}\n{wrong:.0f} of {of:.0f} reals called fake"


def test_misjudged_examples_are_on_the_wrong_side_of_the_threshold_of_val(at_thresholds: Plan):
    second = at_thresholds.trained[0].scores[FFPP, "test", None].scores
    threshold = read_errors([second], [FFPP])[0].threshold
    made = drawn(at_thresholds, "examples")
    for row, (score,) in zip(made.numbers.rows, made.numbers.values, strict=True):
        assert row.startswith("real:") == (score > threshold)


def test_a_figure_of_thresholds_waits_for_the_scores_of_val(folder: Path, at_thresholds: Plan, tmp_path: Path):
    wanted = plan(folder, [{"kind": "errors", "test": FFPP}], threshold_on=["DFDC"])
    (waits,) = told(wanted, tmp_path)
    assert waits.startswith("figure errors is left out: 1, scores on DFDC val: DFDC is not preprocessed")


def test_a_sweep_is_drawn_of_the_rows_that_were_chosen(folder: Path, at_thresholds: Plan, tmp_path: Path):
    (said, *_) = told(replace(at_thresholds, trained=at_thresholds.trained[:1]), tmp_path)
    assert said.endswith("mine-sweep.svg (without seed = 1)")


def test_files_are_the_same_each_time_and_what_is_left_out_is_said(of_all_kinds: Plan, tmp_path: Path):
    shown = [figure for figure in of_all_kinds.suite.figures if figure.file in {"bars", "embed", "cam"}]
    wanted = replace(of_all_kinds, suite=of_all_kinds.suite.model_copy(update={"figures": tuple(shown)}))
    said = told(wanted, tmp_path)
    assert said[0] == f"figure: {tmp_path / 'mine-bars.png'}, {tmp_path / 'mine-bars.svg'}"
    assert said[1].startswith("figure embed is left out:")
    assert "at least 8 faces" in said[1]
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(files) == {"mine-bars.png", "mine-bars.svg", "mine-cam.png", "mine-cam.svg", "mine-cam.csv"}
    assert told(wanted, tmp_path) == said
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_a_figure_waits_for_its_cells(folder: Path, of_all_kinds: Plan, tmp_path: Path):
    """Row 1 was trained and scored, row 3 was not; of DFDC there is nothing."""
    figures = [{"kind": "bars"}, {"kind": "confidence", "test": "DFDC", "rows": ["1"]}, {"kind": "cam", "test": "DFDC"}]
    wanted = plan(folder, figures, rows=rows("1", "3"))
    (tmp_path / "mine-bars.png").touch()
    bars, earlier, confidence, cam = told(wanted, tmp_path)
    assert bars == f"figure bars is left out: 3, train on {FFPP}: to run"
    assert earlier == f"{tmp_path / 'mine-bars.png'} is of an earlier call"
    assert confidence.startswith("figure confidence is left out: 1, scores on DFDC: DFDC is not preprocessed: 'assay")
    assert cam.startswith("figure cam is left out: DFDC is not preprocessed: 'assay preprocess DFDC")
    bars, *_ = told(plan(folder, figures, only=("1",), rows=rows("1", "3")), tmp_path / "chosen")
    assert bars.endswith("mine-bars.svg (without 3)")
    (waits,) = told(plan(folder, [{"kind": "cam", "test": FFPP}], rows=rows("1", "3")), tmp_path)
    assert waits == f"figure cam is left out: 3, train on {FFPP}: to run"
    (alone, _) = told(plan(folder, [{"kind": "bars", "rows": ["3"]}], only=("1",), rows=rows("1", "3")), tmp_path)
    assert alone == "figure bars is left out: none of its rows (3) was chosen"


def test_a_table_says_nothing_of_what_only_its_figures_show(folder: Path, of_all_kinds: Plan):
    assert not any(note.startswith("noise") for note in suite_table(of_all_kinds).footnotes)
    wanted = plan(folder, [{"kind": "confidence", "test": "DFDC"}])
    assert suite_table(wanted).footnotes == suite_table(of_all_kinds).footnotes


def test_a_plan_says_which_faces_a_figure_lacks(folder: Path):
    words = io.StringIO()
    show_plan(plan(folder, [{"kind": "cam", "test": "DFDC"}]), Costs("cpu"), Console(file=words, width=200))
    assert "DFDC is not preprocessed: 'assay preprocess DFDC" in words.getvalue()


def test_lines_of_several_seeds_say_which_they_are(folder: Path, of_all_kinds: Plan):
    wanted = plan(folder, [{"kind": "bars"}], seeds=[1, 2], rows=[{"name": "A", "detector": "vht"}])
    assert Shown(wanted, wanted.trained, suite_table(wanted), CPU).names == ["A, seed 1", "A, seed 2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "robustnes", "test": FFPP}, "unknown kind 'robustnes'; did you mean 'robustness'"),
        ({"test": FFPP}, "expected a key 'kind'"),
        ({"kind": "robustness", "test": FFPP, "pertub": "levels"}, "did you mean 'figures.perturb'"),
        ({"kind": "robustness", "test": FFPP}, "perturb: field required"),
        ({"kind": "cam", "test": FFPP, "most": 3}, "unknown key in mine: 'figures.most'"),
        ({"kind": "cam", "test": FFPP, "rows": ["11"]}, "figures: cam: unknown row '11'; did you mean '1'"),
        ({"kind": "cam", "test": FFPP, "name": "../cam"}, "name: string should match"),
        ({"kind": "cam", "test": FFPP, "name": "bars"}, "two are called 'bars'"),
        ({"kind": "sweep"}, "figures: sweep: no row has a 'sweep'"),
        ({"kind": "sweep", "rows": ["1"]}, "figures: sweep: unknown sweep '1'"),
        ({"kind": "errors", "test": FFPP}, "figures: errors: name in 'threshold_on' whose val scores choose its"),
        ({"kind": "embed", "test": FFPP, "mark_errors": True}, "figures: embed: name in 'threshold_on'"),
        ({"kind": "examples", "test": FFPP, "misjudged": True}, "figures: examples: name in 'threshold_on'"),
        ({"kind": "examples", "test": [FFPP, "FF-NT"]}, "test: expected one data set, not 2"),
        ({"kind": "errors", "test": FFPP, "level": "clip"}, "level: input should be 'frame' or 'video'"),
        ({"kind": "bars", "name": "more", "metric": "video_auc"}, "unknown metric of the columns 'video_auc'"),
    ],
)
def test_bad_figures_are_refused_in_a_sentence(changes: dict, message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        suite_of([{"kind": "bars"}, changes])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "robustness", "perturb": "levels", "metric": "video_err"}, "did you mean 'video_eer'"),
        ({"kind": "robustness", "perturb": "level"}, "did you mean 'levels'"),
        ({"kind": "distances", "perturb": "levels", "perturbation": "jpg"}, "did you mean 'jpeg'"),
        ({"kind": "distances", "perturb": "levels", "level": 6}, "block_wise has no level 6, it ends at 5"),
        ({"kind": "organisation", "pseudofake": "sbii"}, "did you mean 'sbi'"),
        ({"kind": "cam", "pseudofake": "sbii"}, "did you mean 'sbi'"),
    ],
)
def test_what_cannot_be_measured_is_answered_before_anything_runs(folder: Path, changes: dict, message: str):
    with pytest.raises(InputError, match=message):
        plan(folder, [{"test": FFPP, **changes}])
