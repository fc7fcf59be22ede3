import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.bootstrap import bootstrap
from evaluation.comparison import compare_auc, pair_scores
from evaluation.metrics import evaluate_scores
from evaluation.ties import SIGNIFICANT, DrawnAuc, difference_p, drawn_aucs, tied_with_best
from tests.score_rows import score_rows

AUCS = ("frame_auc", "video_auc")
VIDEOS, FRAMES = 30, 3


def table(shift: float, seed: int = 0, videos: int = VIDEOS, faceless: tuple[int, ...] = ()) -> pd.DataFrame:
    """Scores of a detector that sees fakes by `shift` standard deviations; half of the videos are fakes."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(videos) % 2, FRAMES)
    scores = 1 / (1 + np.exp(-generator.normal(size=labels.size) - shift * labels))
    given_scores = [None if index in faceless else float(score) for index, score in enumerate(scores)]
    names = [f"v{index // FRAMES}" for index in range(labels.size)]
    return score_rows(labels.tolist(), given_scores, names, frames=list(range(labels.size)))


def drawn(scores: pd.DataFrame, resamples: int = 200) -> dict[str, DrawnAuc]:
    metrics = evaluate_scores(scores)
    return drawn_aucs(scores, {name: getattr(metrics, name) for name in AUCS}, resamples=resamples)


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 2), st.floats(0, 2), st.sampled_from(AUCS))
def test_of_single_runs_the_p_value_is_that_of_the_paired_comparison(one: float, other: float, metric: str) -> None:
    first, second = table(one, 1), table(other, 2)
    expected = compare_auc(*pair_scores(first, second), metric, resamples=200)
    found = [drawn(scores)[metric] for scores in (first, second)]
    assert [auc.value for auc in found] == [expected.first, expected.second]
    assert difference_p(*(auc.drawn[None] for auc in found)) == expected.p
    best, rest = np.argsort([-auc.value for auc in found])
    assert tied_with_best([[auc] for auc in found])[rest] is (expected.p >= SIGNIFICANT)
    assert found[0].value == found[1].value or tied_with_best([[auc] for auc in found])[best] is None


def test_the_interval_is_that_of_the_bootstrap() -> None:
    scores = table(1)
    expected = bootstrap(scores, AUCS, resamples=200)
    for name, auc in drawn(scores).items():
        assert auc.interval == expected.interval(name)


def test_the_best_is_found_and_only_what_chance_explains_is_tied_with_it() -> None:
    rows = [[drawn(table(shift, seed))["frame_auc"]] for shift, seed in ((0, 1), (2, 2), (1.5, 3))]
    assert tied_with_best(rows) == [False, None, True]
    assert tied_with_best([rows[1], rows[1]]) == [None, True]
    assert tied_with_best(rows[:1]) == [None]
    assert tied_with_best([]) == []


def test_only_auc_of_the_same_samples_are_compared() -> None:
    best = drawn(table(2))["frame_auc"]
    others = [table(0, videos=VIDEOS - 2), table(0, faceless=(4,)), table(0).iloc[::-1]]
    assert tied_with_best([[best], *([drawn(scores)["frame_auc"]] for scores in others)]) == [None] * 4
    assert tied_with_best([[best], [None], []]) == [None] * 3
    assert tied_with_best([[None], [best], [best, None], [drawn(table(0, 5))["frame_auc"]]]) == [None] * 3 + [False]


def test_what_cannot_be_resampled_has_no_draws() -> None:
    fakes = table(1).query("label == 1")
    assert drawn(fakes) == {}
    assert drawn(pd.concat([fakes, table(1).query("video_id == 'v0'")])) == {}  # one real video: nothing to draw


def false_alarms(runs: int, experiments: int = 300) -> float:
    """How often two detectors are told apart whose training runs are of one distribution, on videos of chance."""
    generator = np.random.default_rng(0)
    told_apart = 0
    for seed in range(experiments):
        pair = []
        for _ in range(2):
            values = generator.normal(0.8, 0.02, size=runs) + generator.normal(0, 0.01)
            pair.append(values[:, None] + generator.normal(0, 0.01, size=500))
        told_apart += difference_p(*pair, seed=seed) < SIGNIFICANT
    return told_apart / experiments


def test_runs_of_one_distribution_are_seldom_told_apart_if_there_are_several() -> None:
    assert false_alarms(runs=3) < 0.1
    assert false_alarms(runs=10) < 0.1
    assert false_alarms(runs=1) > 0.3  # single runs differ, and are told apart as such


def test_seeds_that_overlap_are_tied_though_each_is_sure_of_its_videos() -> None:
    def row(*values: float) -> list[DrawnAuc]:
        noise = np.random.default_rng(0).normal(0, 0.001, size=1000)
        return [DrawnAuc(value, value + noise, "same") for value in values]

    assert tied_with_best([row(0.90, 0.80), row(0.85, 0.83)]) == [None, True]
    assert tied_with_best([row(0.90), row(0.84)]) == [None, False]
    assert tied_with_best([row(0.90, 0.89, 0.91), row(0.84, 0.83, 0.85)]) == [None, False]
    assert tied_with_best([row(0.70), row(0.90, 0.89)]) == [False, None]
    assert difference_p(*(np.stack([run.drawn for run in row(*values)]) for values in ((0.9, 0.8), (0.9, 0.8)))) == 1
