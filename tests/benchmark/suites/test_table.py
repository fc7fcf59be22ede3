"""A suite's table of cells that are there: ties, cells without a value, and the file of single numbers."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.suites.cells import ScoreCell, TrainCell
from benchmark.suites.long_table import long_csv
from benchmark.suites.plan import Plan, plan_suite
from benchmark.suites.readings import read_plan
from benchmark.suites.reproduce import write_table
from benchmark.suites.table import suite_table
from config.errors import InputError
from config.load import validate
from config.suite import SuiteConfig
from evaluation.bootstrap import bootstrap
from evaluation.metrics import evaluate_scores
from evaluation.scores import ScoreRecord, ScoreWriter, environment, read_scores
from tests.dfb import write_ffpp
from tests.score_rows import score_rows

FFPP = "FaceForensics++"
SHIFTS = {"good": 2.0, "alike": 1.8, "poor": 0.0}
CONTENT = {
    "title": "A table",
    "train": [FFPP],
    "seeds": [1, 2],
    "rows": [
        {"name": name, "detector": "efficientnet_lite0", "set": [f"resolution={side}"]}
        for name, side in zip(SHIFTS, (32, 64, 96), strict=True)
    ],
    "columns": [
        {"metric": "frame_auc", "test": {"FF++": FFPP, "NT": "FF-NT"}, "averages": {"Avg.": []}},
        {"metric": "video_eer", "test": {"FF++": FFPP}},
    ],
}


def trained(cell: TrainCell) -> None:
    """Stand in for a run: whatever its weights are, a score cell goes by their hash."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    (cell.folder / "best.safetensors").write_bytes(b"weights")
    cell.address.write(cell.folder)


def scored(cell: ScoreCell, shift: float, classes: int = 2) -> None:
    """Finish a cell with scores of a detector that sees fakes by `shift` standard deviations."""
    generator = np.random.default_rng([cell.of.config.manualSeed, cell.of.config.resolution])
    labels = np.arange(60) % classes if classes == 2 else np.ones(60, int)
    scores = 1 / (1 + np.exp(-generator.normal(size=60) - shift * labels))
    with ScoreWriter(cell.scores) as writer:
        writer.write(score_rows(labels.tolist(), scores.tolist(), dataset=cell.test).to_dict("list"))
    counts = {"n_videos": 60, "n_frames": 60, "n_faceless_frames": 0}
    record = ScoreRecord("x", "w", "m", "corrected", 1, 0, 1.0, **counts, environment=environment(), git_commit=None)
    record.write(ScoreRecord.beside(cell.scores))
    cell.address.write(cell.scores.parent)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def plan(out: Path) -> Plan:
    """All cells but those of the last row on FF-NT, which holds fakes alone."""
    write_ffpp(out / "data")
    made = plan_suite("mine", validate(SuiteConfig, CONTENT, "mine"), out / "data", out / "runs")
    for entry in made.trained:
        trained(entry.cell)
        scored(entry.scores[FFPP, "test", None], SHIFTS[entry.row.name])
        if entry.row.name != "poor":
            scored(entry.scores["FF-NT", "test", None], SHIFTS[entry.row.name], classes=1)
    return made


def test_rows_that_chance_tells_apart_from_the_best_are_tied(plan: Plan):
    table = suite_table(plan)
    assert [row[0] for row in table.tied] == [None, True, False]
    assert {tied for row in table.tied for tied in row[1:]} == {None}
    (how,) = (note for note in table.footnotes if note.startswith("difference from the best"))
    assert "videos and training seeds (1000 resamples), level 5 %, not corrected" in how
    alone = suite_table(replace(plan, trained=plan.trained[:2]))
    assert alone.tied == ()
    assert not [note for note in alone.footnotes if note.startswith("difference from")]


def test_a_test_set_of_one_class_is_shown_as_such_and_not_averaged(plan: Plan):
    table = suite_table(plan)
    assert table.text()[0][1:3] == ["one class", "–"]
    assert table.text()[2][1:3] == ["–", "–"]
    assert "FF-NT: no real sample with a face: AUC, EER and AP need both classes" in table.footnotes


def test_a_row_of_other_samples_is_said_not_to_compare_and_a_table_that_lost_videos_is_refused(plan: Plan):
    def of_others() -> list[str]:
        return [note for note in suite_table(plan).footnotes if note.startswith(f"{FFPP}: of other")]

    assert of_others() == []
    scores = next(entry for entry in plan.trained if entry.row.name == "alike").scores[FFPP, "test", None].scores
    kept, rows = scores.read_bytes(), read_scores(scores)
    try:
        rows.assign(label=1 - rows["label"]).to_parquet(scores)
        assert of_others() == [f"{FFPP}: of other videos, frames or labels than good: alike"]
        rows[rows["video_id"] != rows["video_id"].iloc[0]].to_parquet(scores)
        with pytest.raises(InputError, match="does not belong to its record: it holds 59 videos, not 60"):
            suite_table(plan)
    finally:
        scores.write_bytes(kept)


def test_the_long_file_has_each_number_of_each_training_run(plan: Plan, out: Path):
    readings = read_plan(plan)
    table = suite_table(plan, readings)
    assert write_table(plan, table, readings, out)[-1] == out / "suites" / "mine_long.csv"
    lines = pd.read_csv(out / "suites" / "mine_long.csv", keep_default_na=False, na_values=[""])
    assert len(lines) == 3 * 2 * 4
    assert lines["stamp"].isna().all()
    measured = lines[(lines["column"] == "FF++") & (lines["metric"] == "frame_auc")]
    assert list(measured["row"]) == ["good", "good", "alike", "alike", "poor", "poor"]
    assert list(measured["seed"]) == [1, 2] * 3
    for line in measured.itertuples():
        scores = read_scores(out / line.scores)
        assert line.value == evaluate_scores(scores).frame_auc
        interval = bootstrap(scores, ["frame_auc"]).interval("frame_auc")
        assert (line.low, line.high) == (interval.low, interval.high)
    assert list(measured["tied"].iloc[2:]) == [True, True, False, False]
    assert measured.groupby("row")["value"].mean().to_dict() == pytest.approx(
        {name: row[0] for name, row in zip(table.rows, table.values, strict=True)}
    )
    reasons = lines[lines["value"].isna()].groupby(["row", "column"])["reason"].agg(set).to_dict()
    assert reasons == {
        **{(row, "NT"): {"one class"} for row in ("good", "alike")},
        ("poor", "NT"): {"not measured yet"},
        **{(row, "Avg."): {"mean of columns that lack a value"} for row in SHIFTS},
    }
    assert lines[lines["column"] == "NT"]["scores"].isna().tolist() == [False] * 4 + [True] * 2


def test_the_long_file_has_published_figures_and_cited_rows(plan: Plan, out: Path):
    readings = read_plan(plan)
    table = suite_table(plan, readings)
    nothing = ((None,) * 4,)
    table = replace(
        table,
        rows=(*table.rows, "theirs"),
        cited=frozenset({"theirs"}),
        published=((0.5, None, None, None), *nothing * 2, (0.75,) * 4),
        values=table.values + nothing,
        spreads=table.spreads + nothing,
        tied=table.tied + nothing,
        reasons=(*table.reasons, ("",) * 4),
    )
    lines = pd.read_csv(io.StringIO(long_csv(plan, table, readings, out)))
    compared = lines[lines["difference"].notna()]
    assert list(zip(compared["row"], compared["seed"], strict=True)) == [("good", 1), ("good", 2)]
    assert (compared["difference"] == compared["value"] - 0.5).all()
    theirs = lines[lines["cited"]]
    assert theirs[["value", "seed", "detector"]].isna().all(axis=None)
    assert list(theirs["published"]) == [0.75] * 4
    assert set(theirs["reason"]) == {"cited"}
    stamped = pd.read_csv(io.StringIO(long_csv(plan, replace(table, stamp="DEMO"), readings, out)))
    assert set(stamped["stamp"]) == {"DEMO"}
    assert stamped["difference"].isna().all()
