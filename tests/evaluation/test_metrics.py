from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from evaluation.metrics import (
    METRICS,
    NO_THRESHOLD,
    binary_metrics,
    choose_thresholds,
    evaluate_scores,
    group_scores,
    per_class,
)
from evaluation.roc import OperatingPoints
from tests.score_rows import score_rows

ONE_TIE = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
ANY_SCORE = st.floats(0, 1) | ONE_TIE


def samples(score: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[list[int], list[float]]]:
    """Labels with both classes, and scores."""
    pairs = st.lists(st.tuples(st.integers(0, 1), score), min_size=2, max_size=80)
    return pairs.filter(lambda rows: len({label for label, _ in rows}) == 2).map(
        lambda rows: ([label for label, _ in rows], [value for _, value in rows])
    )


def sklearn_eer(labels: list[int], scores: list[float]) -> float:
    fpr, tpr, _ = sk.roc_curve(labels, scores)
    return float(fpr[np.nanargmin(np.absolute((1 - tpr) - fpr))])


@given(samples(ANY_SCORE) | samples(ONE_TIE))
def test_every_metric_agrees_with_scikit_learn(data: tuple[list[int], list[float]]) -> None:
    labels, scores = data
    got = binary_metrics(labels, scores)
    assert got.auc == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert got.ap == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)
    assert got.eer == pytest.approx(sklearn_eer(labels, scores), abs=1e-12)
    assert got.acc == pytest.approx(sk.accuracy_score(labels, np.array(scores) > 0.5), abs=1e-12)
    fpr, tpr, _ = sk.roc_curve(labels, scores)
    own_fpr, own_tpr = OperatingPoints.of(labels, scores).roc()
    np.testing.assert_allclose(own_fpr, fpr, atol=1e-12)
    np.testing.assert_allclose(own_tpr, tpr, atol=1e-12)


def test_many_frames_with_and_without_ties_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 20_000)
    fine = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    for scores in (fine, np.round(fine, 2), fine.astype(np.float32).astype(np.float64)):
        got = binary_metrics(labels, scores)
        assert got.auc == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
        assert got.ap == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)
        assert got.eer == pytest.approx(sklearn_eer(list(labels), list(scores)), abs=1e-12)


@given(samples(ONE_TIE))
def test_auc_is_the_share_of_pairs_in_order_with_half_credit_for_ties(data: tuple[list[int], list[float]]) -> None:
    labels, scores = np.array(data[0]), np.array(data[1])
    gap = scores[labels == 1][:, None] - scores[labels == 0][None, :]
    assert binary_metrics(labels, scores).auc == pytest.approx(np.mean((gap > 0) + 0.5 * (gap == 0)), abs=1e-12)


@given(samples(ONE_TIE))
def test_swapping_the_classes_mirrors_the_auc(data: tuple[list[int], list[float]]) -> None:
    labels, scores = np.array(data[0]), np.array(data[1])
    mirrored = binary_metrics(1 - labels, 1 - scores)
    assert mirrored.auc == pytest.approx(binary_metrics(labels, scores).auc, abs=1e-12)


def test_values_worked_out_by_hand() -> None:
    # Ranked: fake .9, real .8, fake .7, real .1; of the four (fake, real) pairs three are in order.
    got = binary_metrics([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    assert got.auc == 0.75
    assert got.ap == pytest.approx((1 + 2 / 3) / 2)
    assert got.eer == 0.5
    assert got.acc == 0.75
    assert binary_metrics([0, 1], [0.5, 0.5]).acc == 0.5
    assert binary_metrics([0, 1], [0.5, 0.5]).auc == 0.5


def test_a_video_is_its_dataset_and_its_id_and_scores_the_mean_of_its_frames() -> None:
    one = score_rows([0, 0, 1, 1], [0.0, 0.5, 0.25, 0.75], ["a", "a", "b", "b"])
    other = score_rows([1, 1], [1.0, 0.5], ["a", "a"], dataset="DemoX")
    group = group_scores(pd.concat([one, other], ignore_index=True))
    assert group.video_scores.tolist() == [0.25, 0.5, 0.75]
    assert group.video_labels.tolist() == [0, 1, 1]
    assert group.frame_videos.tolist() == [0, 0, 1, 1, 2, 2]


def test_equal_names_of_several_manipulations_stay_apart() -> None:
    # One method that nobody detects must show; merged by folder name it would hide in the average of the four.
    ids = ["000_003", "001_870"]
    reals = score_rows([0, 0], [0.5, 0.375], ["FF-real/" + name for name in ids])
    easy = [score_rows([1, 1], [1.0, 1.0], [f"{kind}/{name}" for name in ids]) for kind in ("DF", "F2F", "FS")]
    hard = score_rows([1, 1], [0.0, 0.0], [f"NT/{name}" for name in ids])
    metrics = evaluate_scores(pd.concat([reals, *easy, hard], ignore_index=True))
    assert metrics.n_videos == 10
    assert metrics.video_auc == 0.75


@given(samples(ONE_TIE), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(data: tuple[list[int], list[float]], random: object) -> None:
    labels, scores = data
    videos = [f"{label}-{i % 5}" for i, label in enumerate(labels)]
    rows = score_rows(labels, scores, videos)
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert asdict(evaluate_scores(rows.iloc[order])) == pytest.approx(asdict(evaluate_scores(rows)), abs=1e-12)


def test_text_and_categories_give_the_same() -> None:
    rows = score_rows([0, 0, 1, 1], [0.2, 0.6, 0.5, None], ["a", "b", "c", "d"])
    coded = rows.astype(dict.fromkeys(("dataset", "video_id", "class_name", "method", "perturbation"), "category"))
    assert evaluate_scores(coded) == evaluate_scores(rows)
    assert per_class(coded) == per_class(rows)
    assert evaluate_scores(coded[coded["video_id"] != "a"]).n_videos == 2


def test_what_has_no_face_is_left_out_and_counted() -> None:
    full = score_rows([0, 0, 1, 1], [0.2, 0.6, 0.5, 0.9], ["a", "b", "c", "c"])
    gaps = score_rows([0, 0, 1, 1, 1], [None, 0.6, None, None, 0.5], ["a", "e", "d", "d", "c"], frames=[1, 0, 0, 1, 2])
    metrics = evaluate_scores(pd.concat([full, gaps], ignore_index=True))
    assert (metrics.n_frames, metrics.n_videos) == (6, 4)
    assert (metrics.n_faceless_frames, metrics.n_faceless_videos) == (3, 1)
    kept = score_rows([0, 0, 0, 1, 1, 1], [0.2, 0.6, 0.6, 0.5, 0.9, 0.5], ["a", "b", "e", "c", "c", "c"])
    assert metrics == replace(evaluate_scores(kept), n_faceless_frames=3, n_faceless_videos=1)


def test_a_medium_without_frames_is_a_faceless_video_and_no_frame() -> None:
    rows = score_rows([0, 1, 1], [0.2, 0.6, None], ["a", "b", "unreadable"], frames=[0, 0, -1])
    metrics = evaluate_scores(rows)
    assert (metrics.n_faceless_frames, metrics.n_faceless_videos) == (0, 1)


def test_a_frame_scores_as_its_most_suspicious_face() -> None:
    rows = score_rows(
        [0, 0, 1, 1, 1],
        [0.25, 0.5, 0.125, 0.75, None],
        ["a", "a", "b", "b", "b"],
        frames=[0, 0, 3, 3, 4],
        faces=[0, 1, 0, 1, -1],
    )
    group = group_scores(rows)
    assert group.frame_scores.tolist() == [0.5, 0.75]
    assert group.video_scores.tolist() == [0.5, 0.75]
    assert group.n_faceless_frames == 1


@pytest.mark.parametrize(("label", "absent"), [(0, "fake"), (1, "real")])
def test_one_class_says_why_and_still_gives_accuracy(label: int, absent: str) -> None:
    metrics = evaluate_scores(score_rows([label] * 4, [0.1, 0.2, 0.3, 0.9], ["a", "a", "b", "b"]))
    assert metrics.frame_auc is metrics.frame_eer is metrics.frame_ap is None
    assert metrics.video_auc is metrics.video_eer is metrics.video_ap is None
    assert metrics.frame_acc == (0.25 if label else 0.75)
    assert metrics.video_acc == 0.5
    assert metrics.note == f"no {absent} sample with a face: AUC, EER and AP need both classes"


def test_one_sample_is_one_class() -> None:
    assert evaluate_scores(score_rows([1], [0.9])).frame_acc == 1.0


def test_nothing_to_measure_says_so() -> None:
    for rows in (score_rows([], []), score_rows([0, 1], [None, None])):
        metrics = evaluate_scores(rows)
        assert metrics.frame_auc is metrics.frame_acc is metrics.video_acc is None
        assert metrics.note == "no sample with a face"
        assert metrics.n_faceless_frames == metrics.n_faceless_videos == len(rows)
    assert per_class(score_rows([], [])) == []


def test_both_classes_need_no_note() -> None:
    assert evaluate_scores(score_rows([0, 1], [0.1, 0.9])).note == ""


def test_each_class_is_measured_against_all_reals_of_its_dataset() -> None:
    rows = pd.concat(
        [
            score_rows([0, 0], [0.25, 0.5], ["r1", "r2"]),
            score_rows([1, 1], [0.375, 1.0], ["d1", "d2"]),
            score_rows([1], [0.125], ["n1"], class_name="FF-NT", method="NeuralTextures"),
            score_rows([0, 1], [0.75, 0.875], ["x1", "x2"], dataset="DemoX", class_name="X-fake", method="swap"),
            score_rows([1], [0.5], ["y1"], dataset="DemoY", class_name="Y-fake", method="swap"),
        ],
        ignore_index=True,
    )
    classes = per_class(rows)
    assert [(c.dataset, c.class_name, c.method, c.metrics.frame_auc, c.metrics.n_frames) for c in classes] == [
        ("DemoFF", "FF-DF", "Deepfakes", 0.75, 4),
        ("DemoFF", "FF-NT", "NeuralTextures", 0.0, 3),
        ("DemoX", "X-fake", "swap", 1.0, 2),
        ("DemoY", "Y-fake", "swap", None, 1),
    ]
    assert classes[3].metrics.note.startswith("no real sample")


def test_several_perturbations_are_not_pooled() -> None:
    rows = score_rows([0, 1], [0.1, 0.9]).assign(level=[0, 1])
    with pytest.raises(InputError, match="several values of 'level'"):
        evaluate_scores(rows)


def test_a_video_with_both_labels_is_refused() -> None:
    with pytest.raises(InputError, match="video 'a' is labelled both real and fake"):
        evaluate_scores(score_rows([0, 1], [0.1, 0.9], ["a", "a"]))


def val_rows(real: list[float], fake: list[float] | None = None) -> pd.DataFrame:
    """A val split of single-frame videos."""
    fakes = fake or []
    return score_rows([0] * len(real) + [1] * len(fakes), real + fakes).assign(split="val")


def test_thresholds_worked_out_by_hand() -> None:
    # Of 40 reals, 1 % is none and 5 % are two: above 0.39 is none, above 0.37 are two, above 0.369 three.
    thresholds = choose_thresholds(val_rows([number / 100 for number in range(40)], [0.9]))
    assert thresholds.frame == thresholds.video == (0.39, 0.37)
    assert (thresholds.n_real_frames, thresholds.n_real_videos) == (40, 40)
    assert thresholds.note == "thresholds chosen on DemoFF val (40 real frames, 40 real videos)"
    test = score_rows([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.37, 0.38, 0.5, 0.37, 0.39, 0.391, 0.9])
    metrics = evaluate_scores(test, thresholds)
    assert (metrics.frame_tpr_at_1pct, metrics.frame_fpr_at_1pct) == (0.5, 0.25)
    assert (metrics.video_tpr_at_5pct, metrics.video_fpr_at_5pct) == (0.75, 0.5)
    assert metrics.threshold_note == thresholds.note


def test_a_tie_of_reals_stays_below_the_threshold_together() -> None:
    # 5 % of 60 are three, but four tie at 0.9.
    assert choose_thresholds(val_rows([0.1] * 56 + [0.9] * 4)).frame[1] == 0.9
    assert choose_thresholds(val_rows([0.1] * 57 + [0.9] * 3)).frame[1] == 0.1


@given(st.lists(ANY_SCORE, min_size=1, max_size=150), st.lists(ANY_SCORE, max_size=5))
def test_a_threshold_is_the_smallest_that_keeps_the_rate(reals: list[float], fakes: list[float]) -> None:
    scores = np.array(reals)
    for percent, threshold in zip((1, 5), choose_thresholds(val_rows(reals, fakes)).frame, strict=True):
        assert 100 * np.sum(scores > threshold) <= percent * scores.size
        below = np.nextafter(threshold, -1)
        assert 100 * np.sum(scores > below) > percent * scores.size


def test_frames_and_videos_have_thresholds_of_their_own() -> None:
    rows = score_rows([0, 0, 0, 0], [0.2, 0.6, 0.5, 0.5], ["a", "a", "b", "b"]).assign(split="val")
    thresholds = choose_thresholds(rows)
    assert (thresholds.frame[0], thresholds.video[0]) == (0.6, 0.5)


def test_val_sets_may_be_several() -> None:
    rows = pd.concat([val_rows([0.1, 0.2]), val_rows([0.7]).assign(dataset="DemoX")], ignore_index=True)
    assert choose_thresholds(rows).source == "DemoFF, DemoX val"
    assert choose_thresholds(rows).frame[0] == 0.7


def test_thresholds_are_chosen_on_val_alone_and_not_on_nothing() -> None:
    for split in ("test", "train"):
        with pytest.raises(InputError, match=f"some scores of DemoFF are of split '{split}'"):
            choose_thresholds(score_rows([0, 1], [0.1, 0.9]).assign(split=split))
    with pytest.raises(InputError, match="no threshold can be chosen on DemoFF: its val split has no real sample"):
        choose_thresholds(score_rows([0, 1], [None, 0.9]).assign(split="val"))


def test_without_val_scores_there_are_no_rates_and_a_note() -> None:
    metrics = evaluate_scores(score_rows([0, 1], [0.1, 0.9]))
    assert [getattr(metrics, name) for name in METRICS if name.endswith("pct")] == [None] * 8
    assert metrics.threshold_note == NO_THRESHOLD


def test_calibration_is_measured_on_frames_and_on_videos() -> None:
    metrics = evaluate_scores(score_rows([0, 0, 1, 1], [0.1, 0.5, 0.8, 1.0], ["a", "a", "b", "b"]))
    assert metrics.frame_brier == pytest.approx((0.01 + 0.25 + 0.04) / 4)
    assert metrics.video_brier == pytest.approx((0.09 + 0.01) / 2)
    assert metrics.frame_ece == pytest.approx((0.1 + 0.5 + 0.2) / 4)
    assert metrics.video_ece == pytest.approx((0.3 + 0.1) / 2)
