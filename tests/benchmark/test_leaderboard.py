"""Tables from score files: who is a row, what is a column, what stands in the notes."""

from itertools import cycle
from pathlib import Path

import pytest

from benchmark.leaderboard import leaderboard, manipulation_table, summary_table
from config.errors import InputError
from evaluation.measurement import measure
from evaluation.scores import CLEAN, ScoreRecord, ScoreWriter, environment, read_scores

# labels and scores of single-frame videos; AUC = share of (real, fake) pairs in the right order
PERFECT = [(0, 0.1), (0, 0.2), (1, 0.8), (1, 0.9)]
HALF = [(0, 0.1), (0, 0.9), (1, 0.5), (1, 0.6)]


def scored(folder: Path, detector: str, dataset: str, rows: list[tuple[int, float]], fakes: str = "fake") -> Path:
    """A score table with its record; the fakes are by the named manipulations in turn."""
    path = folder / "eval" / dataset / "scores.parquet"
    in_turn = cycle(fakes.split())
    methods = [next(in_turn) if label else "real" for label, _ in rows]
    with ScoreWriter(path) as writer:
        writer.write(
            {
                "dataset": [dataset] * len(rows),
                "split": ["test"] * len(rows),
                "compression": [""] * len(rows),
                "video_id": [f"v{number}" for number in range(len(rows))],
                "frame": [0] * len(rows),
                "face": [0] * len(rows),
                "label": [label for label, _ in rows],
                "class_name": methods,
                "method": methods,
                "perturbation": [CLEAN] * len(rows),
                "level": [0] * len(rows),
                "draw": [0] * len(rows),
                "score": [score for _, score in rows],
            }
        )
    ScoreRecord(
        detector=detector,
        weights_sha256="w",
        manifest_sha256="m",
        protocol="corrected",
        protocol_version=1,
        seed=0,
        wall_seconds=1.0,
        n_videos=len(rows),
        n_frames=len(rows),
        n_faceless_frames=0,
        environment=environment(),
        git_commit=None,
        notes=("landmarks: test",),
    ).write(ScoreRecord.beside(path))
    return path


def test_rows_are_runs_columns_are_sets_and_an_incomplete_row_has_no_mean(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT)
    scored(tmp_path / "xception", "xception", "B", HALF)
    scored(tmp_path / "second", "xception", "A", HALF)
    table = leaderboard([tmp_path])
    assert table.rows == ("xception (second)", "xception")
    assert [column.name for column in table.columns] == ["A", "B", "Avg."]
    assert table.values == ((0.5, None, None), (1.0, 0.5, 0.75))
    assert table.footnotes == ("landmarks: test", "protocol corrected v1")


def test_equal_error_rate_is_better_when_low(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT)
    (column,) = leaderboard([tmp_path], "frame_eer").columns
    assert column.higher_is_better is False


def test_the_same_run_twice_is_refused(tmp_path: Path):
    path = scored(tmp_path / "xception", "xception", "A", PERFECT)
    with pytest.raises(InputError, match="given twice"):
        leaderboard([path, path])


def test_one_class_leaves_the_cell_empty_and_says_why(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT[:2])
    table = leaderboard([tmp_path])
    assert table.values == ((None,),)
    assert any("A: no fake sample" in note for note in table.footnotes)


def test_manipulations_are_each_measured_against_all_reals(tmp_path: Path):
    rows = [(0, 0.1), (0, 0.6), (1, 0.5), (1, 0.9)]
    table = manipulation_table(scored(tmp_path / "x", "x", "A", rows, "swap warp"))
    # swap scores 0.5 (above one of two reals), warp 0.9 (above both)
    assert dict(zip(table.rows, [row[0] for row in table.values], strict=True)) == {"swap": 0.5, "warp": 1.0}


def test_the_summary_has_counts_beside_metrics(tmp_path: Path):
    table = summary_table([("A", measure(read_scores(scored(tmp_path / "x", "x", "A", PERFECT))))])
    values = {(column.group, column.name): value for column, value in zip(table.columns, table.values[0], strict=True)}
    assert values["frame", "AUC"] == 1.0
    assert values["count", "videos"] == 4
