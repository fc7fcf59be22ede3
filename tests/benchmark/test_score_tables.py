"""Tables from score files: who is a row, what is a column, what stands in the notes."""

from itertools import cycle
from pathlib import Path

import pytest

from benchmark.run_names import name_of_run
from benchmark.score_tables import (
    calibration_table,
    comparison_table,
    manipulation_table,
    runs_table,
    scores_path,
    summary_table,
    thresholds_beside,
)
from config.errors import InputError
from config.perturbation import CLEAN
from evaluation.bootstrap import bootstrap
from evaluation.measurement import measure
from evaluation.metrics import choose_thresholds
from evaluation.protocol import CORRECTED
from evaluation.scores import ScoreRecord, ScoreWriter, environment, read_scores

# labels and scores of single-frame videos; AUC = share of (real, fake) pairs in the right order
PERFECT = [(0, 0.1), (0, 0.2), (1, 0.8), (1, 0.9)]
HALF = [(0, 0.1), (0, 0.9), (1, 0.5), (1, 0.6)]


def scored(
    folder: Path,
    detector: str,
    dataset: str,
    rows: list[tuple[int, float]],
    fakes: str = "fake",
    *,
    split: str = "test",
    seed: int = 0,
    weights: str = "w",
) -> Path:
    """A score table with its record; the fakes are by the named manipulations in turn."""
    path = scores_path(folder / "eval", dataset, split)
    in_turn = cycle(fakes.split())
    methods = [next(in_turn) if label else "real" for label, _ in rows]
    with ScoreWriter(path) as writer:
        writer.write(
            {
                "dataset": [dataset] * len(rows),
                "split": [split] * len(rows),
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
        weights_sha256=weights,
        manifest_sha256="m",
        protocol="corrected",
        protocol_version=1,
        seed=seed,
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
    table = runs_table([tmp_path])
    assert table.rows == ("xception (second)", "xception")
    assert [column.name for column in table.columns] == ["A", "B", "Avg."]
    assert table.values == ((0.5, None, None), (1.0, 0.5, 0.75))
    assert table.footnotes == ("landmarks: test", "protocol corrected v1")


def test_equal_error_rate_is_better_when_low(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT)
    (column,) = runs_table([tmp_path], "frame_eer").columns
    assert column.higher_is_better is False


def test_the_same_run_twice_is_refused(tmp_path: Path):
    paths = [scored(tmp_path / copy / "xception", "xception", "A", PERFECT) for copy in ("one", "two")]
    with pytest.raises(InputError, match="given twice"):
        runs_table(paths)
    assert runs_table([paths[0], paths[0], paths[0].parent]).rows == ("xception",)


@pytest.mark.parametrize(
    ("detector", "folder", "protocol", "name"),
    [
        ("sbi", "sbi", CORRECTED, "sbi"),
        ("sbi", "", CORRECTED, "sbi"),
        ("sbi", "sbi-1a2b3c4d5e", CORRECTED, "sbi-1a2b3c4d5e"),
        ("sbi", "sbi2", CORRECTED, "sbi (sbi2)"),
        ("sbi", "sbi", "dfb_legacy", "sbi (dfb_legacy)"),
        ("sbi", "second try", "dfb_legacy", "sbi (second try, dfb_legacy)"),
        ("sbi", "sbi-1a2b3c4d5e", "dfb_legacy", "sbi-1a2b3c4d5e (dfb_legacy)"),
    ],
)
def test_a_run_is_called_by_its_detector_and_by_its_folder_if_that_says_more(
    detector: str, folder: str, protocol: str, name: str
):
    assert name_of_run(detector, folder, protocol) == name


def test_runs_of_other_videos_are_said_not_to_compare(tmp_path: Path):
    runs = {"a": PERFECT, "b": HALF, "c": PERFECT[1:]}
    paths = [scored(tmp_path / name, name, "X", rows) for name, rows in runs.items()]
    assert "X: of other videos, frames or labels than a: c" in runs_table(paths).footnotes
    assert not [note for note in runs_table(paths[:2]).footnotes if "of other" in note]


def test_one_class_leaves_the_cell_empty_and_says_why(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT[:2])
    table = runs_table([tmp_path])
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


# Nine reals from 0.0 to 0.8 and a fake above 0.35 and above 0.75.
VAL = [(0, number / 10) for number in range(9)] + [(1, 0.36), (1, 0.76)]
SPREAD = [(0, 0.1), (0, 0.3), (0, 0.6), (1, 0.2), (1, 0.5), (1, 0.9), (1, 0.95)]


def test_intervals_stand_beside_values(tmp_path: Path):
    path = scored(tmp_path / "xception", "xception", "A", SPREAD)
    scored(tmp_path / "xception", "xception", "B", SPREAD[:2])
    table = runs_table([tmp_path], "video_auc", intervals=True, resamples=50, seed=4)
    expected = bootstrap(read_scores(path), ["video_auc"], resamples=50, seed=4).interval("video_auc")
    assert table.spreads == ((expected, None, None),)
    assert "in brackets: 95 % intervals from 50 resamples of the videos, seed 4" in table.footnotes
    assert runs_table([tmp_path], "video_auc").spreads == ()


def test_a_folder_stands_for_its_test_scores(tmp_path: Path):
    scored(tmp_path / "xception", "xception", "A", PERFECT)
    val = scored(tmp_path / "xception", "xception", "A", VAL, split="val")
    assert [column.name for column in runs_table([tmp_path]).columns] == ["A"]
    assert [column.name for column in runs_table([val]).columns] == ["A_val"]
    with pytest.raises(InputError, match=r"no test scores below .*; name the scores\.parquet of another split itself"):
        runs_table([val.parent])


def test_rates_are_at_the_thresholds_of_the_same_runs_val_scores(tmp_path: Path):
    path = scored(tmp_path / "one", "xception", "B", SPREAD)
    val = scored(tmp_path / "one", "xception", "A", VAL, split="val")
    assert runs_table([path], "frame_tpr_at_5pct").values == ((None,),)
    assert any("none were given" in note for note in runs_table([path], "frame_tpr_at_5pct").footnotes)
    # 5 % of nine reals is none of them: the threshold is 0.8, and two of four fakes are above.
    table = runs_table([path], "frame_tpr_at_5pct", threshold_on=["A"])
    assert table.values == ((0.5,),)
    assert table.columns[0].higher_is_better is True
    assert "thresholds chosen on A val (9 real frames, 9 real videos)" in table.footnotes
    record = ScoreRecord.read(ScoreRecord.beside(path))
    assert thresholds_beside(path, record, ["A"]) == choose_thresholds(read_scores(val))


def test_val_scores_must_be_there_and_of_the_same_weights(tmp_path: Path):
    path = scored(tmp_path / "one", "xception", "B", SPREAD)
    with pytest.raises(
        InputError, match=r"no val scores at .*A_val.*; make them with 'assay evaluate \.\.\. --threshold-on"
    ):
        runs_table([path], threshold_on=["A"])
    scored(tmp_path / "one", "xception", "A", VAL, split="val", weights="other")
    with pytest.raises(InputError, match="holds scores of other weights"):
        runs_table([path], threshold_on=["A"])


@pytest.mark.parametrize(
    ("metric", "better"), [("frame_brier", False), ("video_ece", False), ("frame_fpr_at_1pct", None)]
)
def test_directions_of_metrics(tmp_path: Path, metric: str, better: bool | None):
    scored(tmp_path / "xception", "xception", "A", PERFECT)
    assert runs_table([tmp_path], metric).columns[0].higher_is_better is better


def test_the_summary_shows_the_intervals_of_aucs(tmp_path: Path):
    measured = measure(read_scores(scored(tmp_path / "x", "x", "A", SPREAD)), resamples=20)
    table = summary_table([("A", measured)], ["note"])
    spreads = dict(zip([(column.group, column.name) for column in table.columns], table.spreads[0], strict=True))
    assert spreads["frame", "AUC"] == measured.intervals["frame_auc"]
    assert spreads["frame", "EER"] is spreads["count", "videos"] is None
    assert table.footnotes == ("in brackets: 95 % intervals from 20 resamples of the videos, seed 0", "note")


def test_the_calibration_table_has_rates_only_at_thresholds(tmp_path: Path):
    scores = read_scores(scored(tmp_path / "x", "x", "A", SPREAD))
    bare = calibration_table([("A", measure(scores, resamples=2))])
    assert [column.name for column in bare.columns] == ["ECE", "Brier"] * 2
    assert "none were given" in bare.footnotes[0]
    val = choose_thresholds(scores.assign(split="val"))
    full = calibration_table([("A", measure(scores, val, resamples=2))])
    names = [(column.group, column.name) for column in full.columns]
    assert names[:4] == [("frame", "ECE"), ("frame", "Brier"), ("frame", "TPR@1%"), ("frame", "FPR@1%")]
    # The threshold is 0.6, the highest real: two of four fakes are above it.
    assert full.values[0][names.index(("video", "TPR@1%"))] == 0.5


def test_a_comparison_has_both_and_their_difference(tmp_path: Path):
    one = scored(tmp_path / "one", "xception", "A", SPREAD)
    other = scored(tmp_path / "two", "xception", "A", [(label, 1 - score) for label, score in SPREAD])
    table = comparison_table(one, other.parent, "video_auc", resamples=50)
    assert table.rows == ("xception (one)", "xception (two)", "first − second")
    aucs = [row[0] for row in table.values]
    assert aucs[:2] == [9 / 12, 3 / 12]
    assert aucs[2] == 0.5
    p_bootstrap, p_delong = table.values[2][1:]
    assert 0 < p_bootstrap <= 1
    assert 0 < p_delong < 1
    assert all(row[0] is not None for row in table.spreads)
    assert "landmarks: test" in table.footnotes


def test_frames_have_no_delong_test(tmp_path: Path):
    path = scored(tmp_path / "one", "xception", "A", SPREAD)
    table = comparison_table(path, path, resamples=10)
    assert table.values[2] == (0.0, 1.0, None)
    assert table.rows[:2] == (str(path), str(path))
    assert any("see video_auc" in note for note in table.footnotes)


def test_frames_left_out_of_a_comparison_are_counted(tmp_path: Path):
    one, other = (scored(tmp_path / name, "xception", "A", SPREAD) for name in ("one", "two"))
    rows = read_scores(other)
    rows.loc[6, ["face", "score"]] = [-1, None]
    rows.to_parquet(other)
    table = comparison_table(one, other, resamples=10)
    assert table.values[0][0] == 6 / 9
    assert "1 frames without a face in either are left out of both" in table.footnotes
