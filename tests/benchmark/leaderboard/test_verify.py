"""A submission is borne out by its score tables, and what was changed in either is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.leaderboard.board import Leaderboard
from benchmark.leaderboard.entries import collect_leaderboard
from benchmark.leaderboard.measure import Method
from config.files import file_sha256
from evaluation.scores import read_scores
from tests.benchmark.leaderboard.runs import BEST, FAIR, GOOD, again, run

SPREAD = [(label, score / 10) for label, score in zip([0, 1] * 5, range(10), strict=True)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, and a submission of them."""
    folder = tmp_path_factory.mktemp("made")
    run(folder / "runs" / "one", {"A": BEST, "B": SPREAD, "C": FAIR})
    run(folder / "runs" / "two", {"A": BEST, "B": SPREAD, "C": GOOD})
    collect_leaderboard([folder / "runs"], Method("frame_auc", 20)).write(folder / "board.json")
    return folder


@pytest.fixture
def submitted(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them to spoil, in the working directory; the submission's path."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "board.json"


def edited(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_submission_reads_back_as_it_was(submitted: Path):
    board = Leaderboard.read(submitted)
    board.write(submitted.with_name("again.json"))
    assert submitted.with_name("again.json").read_text() == submitted.read_text()
    assert [row.name for row in board.rows] == ["two", "one"]
    assert board.rows[0].figures[0].scores == "two/eval/A/scores.parquet"


def test_score_tables_alone_bear_out_a_submission(assay, submitted: Path):
    for path in Path("runs").rglob("scores.parquet"):
        copy = "sent" / path.relative_to("runs")
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    answer = assay("leaderboard", "verify", "board.json", "--scores", "sent")
    assert answer.code == 0
    assert "follow from the score tables in sent" in answer.out


def figure(content: Any, run: int = 0, test_set: int = 1) -> Any:
    return content["rows"][run]["figures"][test_set]


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "a figure": (lambda made: figure(made).update(value=0.9), "two on B: value is 0.9, the score tables give 0.6"),
    "an interval": (lambda made: figure(made)["interval"].update(high=0.9), "two on B: interval is ["),
    "no figure": (lambda made: figure(made).update(value=None), "two on B: value is nothing"),
    "its test set": (
        lambda made: figure(made).update(test_set="D"),
        "two on D: test_set is D, the score tables give B",
    ),
    "a mean": (lambda made: made["rows"][0].update(mean=0.9), "two: mean is 0.9, the score tables give 0.675"),
    "a rank": (lambda made: made["rows"][1].update(rank=1), "one: rank is 1, the score tables give 2"),
    "coverage": (lambda made: made["rows"][1].update(covered=2), "one: covered is 2, the score tables give 3"),
    "contamination": (
        lambda made: made["rows"][0].update(contamination={}),
        "two: contamination is nothing, the score tables give A (A)",
    ),
    "what is ranked on": (lambda made: made.update(ranked_on=["C"]), "ranked_on is C, the score tables give B, C"),
    "the protocol": (
        lambda made: figure(made, test_set=2)["record"].update(protocol="dfb_legacy"),
        "by protocol merged_names+first_frames v1",
    ),
    "the training": (
        lambda made: made["rows"][0]["training"].update(sets=["Z"]),
        "two is said to be trained on Z, its configuration says A",
    ),
    "the selection": (
        lambda made: made["rows"][0]["training"].update(val_sha256=None),
        "two is said to be chosen on source val, but names no validation rows",
    ),
    "the metric": (lambda made: made.update(metric="frame_acu"), "board.json: unknown metric 'frame_acu'; did you"),
    "a hash": (lambda made: figure(made).update(sha256="ab"), "is not the score table that was submitted: its sha256"),
    "a file's name": (
        lambda made: figure(made).update(scores="two/eval/E/scores.parquet"),
        "E/scores.parquet is missing",
    ),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_what_was_changed_in_a_submission_is_named(assay, submitted: Path, changed: str):
    change, message = CHANGES[changed]
    for record in Path("runs").rglob("scores.json"):
        record.unlink()
    edited(submitted, change)
    answer = assay("leaderboard", "verify", "board.json", "--scores", "runs")
    assert answer.code == 1
    assert message in answer.err


def test_a_score_that_was_changed_is_named_by_its_file_and_with_a_new_hash_by_its_figure(assay, submitted: Path):
    path = Path("runs/two/eval/B/scores.parquet")
    rows = read_scores(path)
    rows.loc[0, "score"] = 0.95
    rows.to_parquet(path)
    verify = ["leaderboard", "verify", "board.json", "--scores", "runs"]
    assert f"{path} is not the score table that was submitted" in assay(*verify).err
    edited(submitted, lambda made: figure(made).update(sha256=file_sha256(path)))
    answer = assay(*verify)
    assert answer.code == 1
    assert "two on B: value is 0.6, the score tables give 0.4" in answer.err


def test_a_record_beside_the_scores_that_says_something_else_is_named(assay, submitted: Path):
    again(Path("runs/two/eval/B/scores.parquet"), detector="three")
    answer = assay("leaderboard", "verify", "board.json", "--scores", "runs")
    assert answer.code == 1
    assert "scores.json says something else than the record in the submission" in answer.err


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def without_a_score(path: Path) -> None:
    rows = pd.read_parquet(path)
    rows.loc[0, "score"] = None
    rows.to_parquet(path)


@pytest.mark.parametrize(
    ("damage", "message"), [(cut, "is not a whole Parquet file"), (without_a_score, "has a face but no score")]
)
def test_a_damaged_score_table_is_named_by_both_commands(assay, submitted: Path, damage, message: str):
    path = Path("runs/two/eval/B/scores.parquet")
    damage(path)
    edited(submitted, lambda made: figure(made).update(sha256=file_sha256(path)))
    for arguments, code in (["runs"], 2), (["verify", "board.json", "--scores", "runs"], 1):
        answer = assay("leaderboard", *arguments)
        assert answer.code == code
        assert f"{path} is not" in answer.err
        assert message in answer.err


@pytest.mark.parametrize("path", ["../outside.parquet", "/etc/passwd", "link/scores.parquet", "a\0b"])
def test_no_path_leaves_the_folder_of_scores(assay, submitted: Path, path: str):
    Path("elsewhere").mkdir()
    Path("runs/link").symlink_to(Path("elsewhere").resolve())
    edited(submitted, lambda made: figure(made).update(scores=path))
    answer = assay("leaderboard", "verify", "board.json", "--scores", "runs")
    assert answer.code == 2
    assert "names a score table outside of runs" in answer.err


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "unknown key": (lambda path: edited(path, lambda made: figure(made).update(colour=1)), "figures.1.colour"),
    "unknown key of an interval": (
        lambda path: edited(path, lambda made: figure(made)["interval"].update(middle=0.5)),
        "interval.middle",
    ),
    "newer": (
        lambda path: edited(path, lambda made: made.update(version=2)),
        "version 1, not 2; a newer Assay wrote it",
    ),
    "no number": (lambda path: edited(path, lambda made: figure(made).update(value=float("nan"))), "finite number"),
    "metric": (lambda path: edited(path, lambda made: made.update(metric="frame_acu")), "did you mean 'frame_auc'"),
    "resamples": (lambda path: edited(path, lambda made: made.update(resamples=-1)), "at least one resample"),
    "twice": (lambda path: edited(path, lambda made: made["rows"].append(made["rows"][0])), "two runs are called two"),
    "no JSON": (lambda path: path.write_text("{"), "board.json is not a submission"),
    "no submission": (lambda path: path.write_text("[]"), "board.json is not a submission"),
    "missing": (lambda path: path.unlink(), "cannot read the submission board.json"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_what_is_no_submission_is_refused_in_a_sentence(assay, submitted: Path, mistake: str):
    spoil, message = BAD[mistake]
    spoil(submitted)
    answer = assay("leaderboard", "verify", "board.json", "--scores", "runs")
    assert answer.code in (1, 2)
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_ranking_is_what_the_command_does_by_itself(assay, submitted: Path):
    table = assay("leaderboard", "runs", "--format", "csv").out
    assert table == assay("leaderboard", "rank", "runs", "--format", "csv").out
    assert table.splitlines()[0].startswith("Detector,rank,frame AUC A,frame AUC A uncounted,frame AUC B")
    submission = ["--submission", "again.json", "--resamples", 20]
    assert assay("leaderboard", "runs", "--out", "board.csv", *submission).out == ""
    assert Path("again.json").read_text() == submitted.read_text()
    assert Path("board.csv").read_text() == table
    assert "verify" in assay("leaderboard", "--help").out
    assert assay("leaderboard").err == "assay: no such file or folder: results/runs\n"
    assert assay("leaderboard", "runs", "--trained-on", "one").code == 2
