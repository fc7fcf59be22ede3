import json
from dataclasses import asdict
from pathlib import Path

import pytest

from config.errors import InputError
from evaluation.bootstrap import bootstrap
from evaluation.measurement import measure
from evaluation.metrics import METRICS, choose_thresholds, evaluate_scores
from tests.score_rows import score_rows

ROWS = score_rows([0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.6, 0.5, 0.8, 0.9])
THRESHOLDS = choose_thresholds(ROWS.assign(split="val"))


def test_a_measurement_is_all_metrics_with_their_intervals() -> None:
    measured = measure(ROWS, THRESHOLDS, resamples=40, seed=3)
    assert measured.metrics == evaluate_scores(ROWS, THRESHOLDS)
    assert set(measured.intervals) == set(METRICS)
    alone = bootstrap(ROWS, ["video_eer"], resamples=40, seed=3)
    assert measured.intervals["video_eer"] == alone.interval("video_eer")


def test_the_file_says_everything_and_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        measure(ROWS, THRESHOLDS, resamples=40).write(tmp_path / name)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    written = json.loads((tmp_path / "one.json").read_text())
    measured = measure(ROWS, THRESHOLDS, resamples=40)
    assert written["metrics"] == asdict(measured.metrics)
    assert written["intervals"]["frame_auc"] == asdict(measured.intervals["frame_auc"])
    assert written["thresholds"]["frame"] == [0.6, 0.6]
    assert (written["resamples"], written["seed"], written["level"]) == (40, 0, 0.95)


def test_one_class_still_gives_a_file(tmp_path: Path) -> None:
    measure(ROWS[ROWS["label"] == 0], resamples=10).write(tmp_path / "metrics.json")
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["metrics"]["frame_auc"] is None
    assert "frame_auc" not in written["intervals"]
    assert "frame_acc" in written["intervals"]
    assert written["thresholds"] is None


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        measure(ROWS, resamples=2).write(tmp_path)
