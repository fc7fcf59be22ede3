"""DeepfakeBench's quirks one at a time, each on scores or rows where it alone changes the outcome."""

import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from evaluation.metrics import evaluate_scores, group_scores
from evaluation.protocol import Protocol
from preprocessing.rows import spread
from tests.score_rows import score_rows


def two_manipulations() -> pd.DataFrame:
    """Pair 000_003 made by a strong and by a weak method; the weak one's fakes score below the real videos."""
    rows = [("FF-real/000", 0, 0.4), ("FF-real/003", 0, 0.5)]
    rows += [("FF-DF/000_003", 1, 0.9), ("FF-DF/003_000", 1, 0.9)]
    rows += [("FF-NT/000_003", 1, 0.3), ("FF-NT/003_000", 1, 0.3)]
    return pd.concat([score_rows([label] * 2, [score] * 2, [name] * 2) for name, label, score in rows])


def test_names_of_protocols_and_quirks_are_read_and_written_back():
    assert Protocol.parse("corrected") == Protocol()
    assert Protocol.parse("dfb_legacy") == Protocol(True, True, True)
    assert Protocol.parse("first_frames+merged_names") == Protocol(merged_names=True, first_frames=True)
    for name in ("corrected", "dfb_legacy", "merged_names", "first_frames", "selected_on_test"):
        assert Protocol.parse(name).name == name
    assert Protocol.parse("first_frames+merged_names").name == "merged_names+first_frames"


@pytest.mark.parametrize("name", ["", "first_frame", "corrected+first_frames", "first_frames+"])
def test_what_is_no_protocol_is_refused(name: str):
    with pytest.raises(InputError, match="unknown protocol or quirk"):
        Protocol.parse(name)


def test_merged_names_average_the_manipulations_of_a_pair_into_one_video():
    scores = two_manipulations()
    corrected, merged = (evaluate_scores(Protocol.parse(name).view(scores)) for name in ("corrected", "merged_names"))
    # six videos: half of the (real, fake) pairs are in order; merged: the two fakes at 0.6 are above both reals
    assert (corrected.n_videos, corrected.video_auc) == (6, 0.5)
    assert (merged.n_videos, merged.video_auc) == (4, 1.0)
    assert merged.frame_auc == corrected.frame_auc  # frames are not touched by it
    assert merged.n_frames == corrected.n_frames


def test_a_merged_video_of_real_and_fake_frames_is_real():
    rows = [("real/000", 0, 0.1), ("fake/000", 1, 0.7), ("fake/001", 1, 0.8)]
    scores = pd.concat([score_rows([label], [score], [name]) for name, label, score in rows])
    group = group_scores(Protocol(merged_names=True).view(scores))
    np.testing.assert_allclose(group.video_scores, [0.4, 0.8])
    assert group.video_labels.tolist() == [0, 1]
    assert group.frame_labels.tolist() == [0, 1, 1]


def test_equal_names_in_two_data_sets_stay_apart():
    one, other = (score_rows([1], [0.5], ["x/000"], dataset=name) for name in ("A", "B"))
    assert group_scores(Protocol(merged_names=True).view(pd.concat([one, other]))).video_scores.size == 2


def test_first_frames_are_the_first_of_those_that_hold_a_face():
    rows = pd.DataFrame({"video_id": ["a"] * 8 + ["b"] * 2, "frame": [0, 3, 6, 9, 12, 15, 18, 21, 0, 5], "face": 0})
    even, first = (spread(rows, 3, first=first) for first in (False, True))
    assert even.loc[even["video_id"] == "a", "frame"].tolist() == [0, 9, 21]
    assert first.loc[first["video_id"] == "a", "frame"].tolist() == [0, 3, 6]
    assert first.loc[first["video_id"] == "b", "frame"].tolist() == [0, 5]
