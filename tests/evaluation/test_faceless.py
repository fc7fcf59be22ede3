"""Videos without a face: left out, or counted where the record of the scores says so; by all that measures alike."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.bootstrap import bootstrap, resample, resampled_videos, strata
from evaluation.comparison import compare_auc, pair_scores
from evaluation.metrics import METRICS, choose_thresholds, evaluate_scores, group_scores, per_class
from evaluation.scores import ScoreRecord, environment
from tests.score_rows import score_rows

SCORE = st.sampled_from([0.0, 0.2, 0.5, 0.75, 1.0]) | st.floats(0, 1)
FACELESS = 0.5


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Two videos of each class with faces, and others of which some frames or all have none."""
    labels = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=6))]
    rows = []
    for number, label in enumerate(labels):
        frames = draw(st.lists(SCORE if number < 4 else SCORE | st.none(), min_size=1, max_size=4))
        rows += [(label, score, f"v{number}", frame) for frame, score in enumerate(frames)]
    label, score, video, frame = zip(*draw(st.permutations(rows)), strict=True)
    return score_rows(label, score, video, frames=frame)


def with_rule(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(faceless_score=FACELESS)


def filled(rows: pd.DataFrame) -> pd.DataFrame:
    """The same table with a face of score 0.5 in the first frame of each video without one."""
    faceless = rows.groupby("video_id")["score"].transform("count") == 0
    first = faceless & ~rows[faceless].duplicated("video_id").reindex(rows.index, fill_value=False)
    return rows.assign(score=rows["score"].mask(first, FACELESS), face=rows["face"].mask(first, 0))


@given(rows=tables())
def test_video_metrics_are_those_of_a_table_where_such_videos_have_the_score(rows: pd.DataFrame):
    with_it, without, full = (evaluate_scores(table) for table in (with_rule(rows), rows, filled(rows)))
    for name in METRICS:
        expected = getattr(full if name.startswith("video") else without, name)
        assert getattr(with_it, name) == (expected if expected is None else pytest.approx(expected)), name
    assert with_it.n_frames == without.n_frames
    assert with_it.n_faceless_videos == without.n_faceless_videos
    assert with_it.n_videos == full.n_videos == without.n_videos + without.n_faceless_videos
    counted = without.n_faceless_videos
    assert with_it.note.startswith(f"{counted} video" if counted else "")
    assert ("without a face scored 0.5" in with_it.note) == bool(counted)


@given(rows=tables(), seed=st.integers(0, 99))
def test_the_bootstrap_measures_what_the_metrics_do(rows: pd.DataFrame, seed: int):
    group = group_scores(with_rule(rows))
    (drawn,) = resampled_videos(strata(group), 1, seed)
    assert drawn[group.faceless & (group.video_labels == 1)].sum() == (group.faceless & (group.video_labels == 1)).sum()
    values = resample(group, METRICS, [drawn])
    repeated = np.repeat(np.arange(drawn.size), drawn)
    expected = sk.roc_auc_score(group.video_labels[repeated], group.video_scores[repeated])
    assert values.values[0, values.names.index("video_auc")] == pytest.approx(expected)
    frames = np.concatenate([np.flatnonzero(group.frame_videos == video) for video in repeated])
    expected = sk.roc_auc_score(group.frame_labels[frames], group.frame_scores[frames])
    assert values.values[0, values.names.index("frame_auc")] == pytest.approx(expected)
    assert np.isfinite(bootstrap(with_rule(rows), resamples=9, seed=seed).values).all()


def test_a_clip_that_no_frame_was_read_of_is_left_out_all_the_same():
    rows = with_rule(score_rows([0, 1, 1, 1], [0.2, 0.6, None, None], list("abcd"), frames=[0, 0, -1, 3]))
    metrics = evaluate_scores(rows)
    assert (metrics.n_videos, metrics.n_faceless_videos) == (3, 2)
    assert metrics.note == "1 video without a face scored 0.5"


def test_rows_without_the_rule_leave_their_videos_out_beside_rows_that_have_it():
    have = with_rule(score_rows([0, 1], [None, None], ["a", "b"]))
    lack = score_rows([0, 1, 1], [None, None, 0.3], ["c", "d", "e"])
    group = group_scores(pd.concat([have, lack], ignore_index=True))
    assert group.video_scores.tolist() == [0.5, 0.5, 0.3]
    assert group.video_labels.tolist() == [0, 1, 1]
    assert group.frame_videos.tolist() == [2]


def test_merged_names_without_a_face_are_real_if_one_of_them_is():
    rows = with_rule(score_rows([0, 1, 1, 0], [None, None, None, 0.1], list("abcd"))).assign(video=list("xxyz"))
    group = group_scores(rows)
    assert group.video_scores.tolist() == [0.5, 0.5, 0.1]
    assert group.video_labels.tolist() == [0, 1, 0]


def test_thresholds_of_videos_count_them_and_need_a_face_somewhere():
    rows = with_rule(score_rows([0, 0, 0], [0.1, 0.2, None], list("abc"))).assign(split="val")
    thresholds = choose_thresholds(rows)
    assert thresholds.frame == (0.2, 0.2)
    assert thresholds.video == (0.5, 0.5)
    assert (thresholds.n_real_frames, thresholds.n_real_videos) == (2, 3)
    with pytest.raises(InputError, match="no real sample with a face"):
        choose_thresholds(rows[2:])


def test_each_manipulation_counts_its_own():
    rows = with_rule(score_rows([0, 1, 1], [0.1, None, 0.9], list("abc")))
    (fakes,) = per_class(rows)
    assert fakes.metrics.n_videos == 3
    assert fakes.metrics.note == "1 video without a face scored 0.5"


def test_a_comparison_counts_them_in_both_and_only_under_the_same_rule():
    labels, videos = [0, 0, 1, 1, 1], list("abcde")
    first = score_rows(labels, [0.1, 0.6, 0.4, 0.9, None], videos)
    second = score_rows(labels, [0.2, 0.3, 0.7, 0.8, None], videos)
    one, other = pair_scores(with_rule(first), with_rule(second))
    assert one.video_scores.tolist() == [0.1, 0.6, 0.4, 0.9, 0.5]
    found = compare_auc(one, other, "video_auc", resamples=50)
    assert found.first == evaluate_scores(with_rule(first)).video_auc == pytest.approx(4 / 6)
    assert found.second == evaluate_scores(with_rule(second)).video_auc == 1.0
    assert compare_auc(*pair_scores(first, second), "video_auc", resamples=50).first == pytest.approx(3 / 4)
    with pytest.raises(InputError, match="faceless_score"):
        pair_scores(with_rule(first), second)


def test_the_rule_is_read_from_the_record_and_older_records_have_none(tmp_path: Path):
    rows = score_rows([0, 1], [0.2, None], ["a", "b"])
    known = {"detector": "d", "weights_sha256": "", "manifest_sha256": "", "protocol": "ours", "protocol_version": 1}
    counts = {"seed": 0, "wall_seconds": 0.0, "n_videos": 2, "n_frames": 2, "n_faceless_frames": 1, "git_commit": None}
    record = ScoreRecord(**known, **counts, environment=environment(), faceless_score=0.5)
    record.write(tmp_path / "scores.json")
    read = ScoreRecord.read(tmp_path / "scores.json")
    assert group_scores(read.with_rule(rows)).video_scores.tolist() == [0.2, 0.5]
    text = (tmp_path / "scores.json").read_text().replace('  "faceless_score": 0.5,\n', "")
    (tmp_path / "old.json").write_text(text)
    assert ScoreRecord.read(tmp_path / "old.json").with_rule(rows) is rows
