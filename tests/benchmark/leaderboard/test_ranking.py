"""Who is ranked, over which test sets, and what is only shown."""

from pathlib import Path

import pytest

from benchmark.leaderboard.board import Leaderboard, Selection
from benchmark.leaderboard.entries import collect_leaderboard
from benchmark.leaderboard.measure import Method
from benchmark.leaderboard.table import leaderboard_table
from benchmark.train import RECORD
from config.errors import InputError
from evaluation.tables import Interval
from tests.benchmark.leaderboard.runs import BEST, FAIR, GOOD, POOR, run
from tests.benchmark.test_score_tables import scored

AUC = Method("frame_auc")


def board(folder: Path, **options) -> Leaderboard:
    return collect_leaderboard([folder], AUC, **options)


def standings(found: Leaderboard) -> dict[str, tuple[int | None, float | None]]:
    return {row.name: (row.rank, row.mean) for row in found.rows}


def test_the_mean_is_over_the_sets_foreign_to_the_training(tmp_path: Path):
    run(tmp_path / "one", {"A": POOR, "B": BEST, "C": FAIR})
    run(tmp_path / "two", {"A": BEST, "B": GOOD, "C": FAIR})
    found = board(tmp_path)
    assert found.ranked_on == ("B", "C")
    assert standings(found) == {"one": (1, 0.75), "two": (2, 0.625)}
    assert [row.contamination for row in found.rows] == [{"A": ("A",)}] * 2
    table = leaderboard_table(found)
    assert table.values == ((1, 0.25, 1.0, 0.5, 0.75, 3, None, None), (2, 1.0, 0.75, 0.5, 0.625, 3, None, None))
    assert table.uncounted[0] == (False, True, False, False, False, False, False, False)
    assert table.text()[0][-2:] == ["A", "source val"]
    assert "trained on A" in table.footnotes
    assert "rank and mean: over B, C, all that is foreign to what most runs were trained on" in table.footnotes


def test_shared_videos_are_named_with_the_set_that_they_come_from(tmp_path: Path):
    run(tmp_path / "one", {"DeeperForensics-1.0": BEST, "Celeb-DF-v2": GOOD}, ["FaceForensics++"])
    found = board(tmp_path)
    assert found.rows[0].contamination == {"DeeperForensics-1.0": ("FaceForensics++",)}
    assert standings(found) == {"one": (1, 0.75)}
    note = "trained on FaceForensics++, which DeeperForensics-1.0 shares videos with"
    assert note in leaderboard_table(found).footnotes


def test_a_run_that_lacks_a_set_is_not_ranked_and_makes_the_others_no_easier(tmp_path: Path):
    run(tmp_path / "one", {"B": BEST, "C": FAIR})
    run(tmp_path / "two", {"B": GOOD, "C": FAIR})
    for name in ("easy", "easier", "easiest"):
        run(tmp_path / name, {"B": BEST})
    found = board(tmp_path)
    assert found.ranked_on == ("B", "C")
    assert standings(found) == dict.fromkeys(("easy", "easier", "easiest"), (None, None)) | {
        "one": (1, 0.75),
        "two": (2, 0.625),
    }
    assert [row.covered for row in found.rows] == [2, 2, 1, 1, 1]
    assert "easy is not ranked: no value on C" in leaderboard_table(found).footnotes
    assert standings(board(tmp_path, test_sets=["B"]))["easy"] == (1, 1.0)


def test_a_run_trained_on_a_set_that_is_foreign_to_the_others_is_not_ranked(tmp_path: Path):
    for name in ("one", "two"):
        run(tmp_path / name, {"A": GOOD, "B": GOOD, "C": GOOD})
    run(tmp_path / "other", {"A": BEST, "B": BEST, "C": BEST}, ["B"])
    found = board(tmp_path)
    assert standings(found) == {"one": (1, 0.75), "two": (1, 0.75), "other": (None, None)}
    assert found.rows[-1].unranked == "not foreign to its training: B"


def test_epochs_chosen_on_the_test_set_are_shown_but_not_ranked(tmp_path: Path):
    run(tmp_path / "one", {"A": GOOD, "B": GOOD})
    run(tmp_path / "two", {"A": BEST, "B": BEST}, protocol="selected_on_test")
    found = board(tmp_path)
    assert standings(found) == {"one": (1, 0.75), "two (selected_on_test)": (None, 1.0)}
    table = leaderboard_table(found)
    assert table.text()[1][-1] == "test (oracle)"
    assert table.uncounted[1] == (False, True, True, True, False, False, False)
    assert not any(table.ranks()[1])


def test_weights_from_elsewhere_are_ranked_if_somebody_says_what_they_were_trained_on(tmp_path: Path):
    run(tmp_path / "one", {"A": GOOD, "B": GOOD})
    scored(tmp_path / "foreign", "foreign", "B", BEST)
    found = board(tmp_path)
    assert standings(found) == {"one": (1, 0.75), "foreign": (None, 1.0)}
    assert found.rows[1].unranked == "what it was trained on is unknown"
    assert leaderboard_table(found).text()[1][-2:] == ["unknown", "unknown"]
    declared = board(tmp_path, trained_on={"foreign": ["A"]})
    assert standings(declared) == {"foreign": (1, 1.0), "one": (2, 0.75)}
    assert "trained on A, as declared (foreign)" in leaderboard_table(declared).footnotes
    with pytest.raises(InputError, match="unknown run 'foreing'; did you mean 'foreign'"):
        board(tmp_path, trained_on={"foreing": ["A"]})
    with pytest.raises(InputError, match="--trained-on one: its run folder says"):
        board(tmp_path, trained_on={"one": ["B"]})


@pytest.mark.parametrize(("weights", "selection"), [("best", Selection.SOURCE_VAL), ("last", Selection.LAST_EPOCH)])
def test_how_the_epoch_was_chosen_follows_from_the_weights(tmp_path: Path, weights: str, selection: Selection):
    run(tmp_path / "one", {"B": GOOD}, scored_with=weights)
    assert board(tmp_path).rows[0].training.selection == selection


def test_scores_of_weights_that_a_run_no_longer_has_are_not_taken_for_its(tmp_path: Path):
    folder = run(tmp_path / "one", {"B": GOOD})
    (folder / "best.safetensors").write_bytes(b"trained anew")
    assert board(tmp_path).rows[0].training.sets is None
    for name in ("best", "last"):
        (folder / f"{name}.safetensors").unlink()
    assert board(tmp_path).rows[0].training.selection == Selection.SOURCE_VAL
    record = (folder / RECORD).read_text()
    (folder / RECORD).write_text(record.replace(f'"{"44" * 32}"', "null"))
    assert board(tmp_path).rows[0].training.selection == Selection.LAST_EPOCH


def test_a_set_of_one_class_is_shown_as_such_and_not_averaged(tmp_path: Path):
    for metric in ("frame_auc", "video_acc"):
        folder = tmp_path / metric
        run(folder / "one", {"B": GOOD, "reals": BEST[:2]})
        found = collect_leaderboard([folder], Method(metric))
        assert found.measurable == found.ranked_on == ("B",)
        table = leaderboard_table(found)
        assert table.text()[0][1:4] == [
            "0.7500" if metric == "frame_auc" else "0.5000",
            "one class",
            table.text()[0][1],
        ]
        assert any(note.startswith("one class: ") for note in table.footnotes)


def test_without_a_foreign_set_there_is_no_ranking(tmp_path: Path):
    run(tmp_path / "one", {"A": BEST})
    found = board(tmp_path)
    assert standings(found) == {"one": (None, None)}
    assert "no ranking: no test set is foreign to a training that is known" in leaderboard_table(found).footnotes


def test_a_low_error_rate_ranks_first(tmp_path: Path):
    run(tmp_path / "one", {"B": BEST})
    run(tmp_path / "two", {"B": POOR})
    found = collect_leaderboard([tmp_path], Method("frame_eer"))
    assert [(row.name, row.rank) for row in found.rows] == [("one", 1), ("two", 2)]


def test_a_set_whose_figures_rank_nothing_is_named_before_all_else(tmp_path: Path):
    run(tmp_path / "one", {"DemoX": BEST}, notes=("DemoX: its own",))
    table = leaderboard_table(board(tmp_path))
    assert table.stamp.startswith("DemoX: ")
    assert table.stamp.endswith("its figures rank no detector")
    assert table.stamp not in table.footnotes
    assert "DemoX: its own" in table.footnotes


def test_intervals_stand_beside_figures(tmp_path: Path):
    rows = [(label, score / 10) for label, score in zip([0, 1] * 5, range(10), strict=True)]
    run(tmp_path / "one", {"B": rows})
    found = collect_leaderboard([tmp_path], Method("frame_auc", 20, 1))
    (figure,) = found.rows[0].figures
    assert isinstance(figure.interval, Interval)
    assert figure.interval.low < figure.value < figure.interval.high
    assert leaderboard_table(found, intervals=True).spreads[0][1] == figure.interval
    assert leaderboard_table(found).spreads == ()


MISTAKES = {
    "other videos": (lambda folder: run(folder / "two", {"B": [*GOOD, (1, 0.7)]}), "video 'v4', .*one.* does not"),
    "other labels": (lambda folder: run(folder / "two", {"B": [*GOOD[:3], (0, 0.9)]}), "has frame 0 of .* video 'v3'"),
    "other protocol": (lambda folder: run(folder / "two", {"B": GOOD}, protocol="merged_names"), "by protocol merged"),
    "other version": (lambda folder: run(folder / "two", {"B": GOOD}, protocol_version=2), "corrected v2"),
    "other record": (lambda folder: run(folder / "two", {"B": GOOD}, n_videos=9), "holds 4 videos, not 9"),
    "moved": (
        lambda folder: (run(folder / "two", {"C": GOOD}) / "eval" / "C").rename(folder / "two" / "eval" / "D"),
        "expected dataset D, found C",
    ),
    "several weights": (lambda folder: scored(folder / "one", "one", "C", GOOD, weights="w"), "of several weights"),
    "nothing": (lambda folder: (folder / "one").rename(folder.parent / "gone"), "no scores.parquet below"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_score_tables_that_do_not_belong_together_are_refused(tmp_path: Path, mistake: str):
    folder = tmp_path / "runs"
    run(folder / "one", {"B": GOOD})
    make, message = MISTAKES[mistake]
    make(folder)
    with pytest.raises(InputError, match=message):
        board(folder)


def test_videos_without_a_face_count_alike_where_videos_are_ranked(tmp_path: Path):
    run(tmp_path / "one", {"B": GOOD})
    run(tmp_path / "two", {"B": GOOD}, faceless_score=0.5)
    assert standings(board(tmp_path)) == {"one": (1, 0.75), "two": (1, 0.75)}
    with pytest.raises(InputError, match="differ in what a video without a face counts"):
        collect_leaderboard([tmp_path], Method("video_auc"))


def test_runs_of_one_name_are_told_apart_by_their_folders_if_their_weights_differ(tmp_path: Path):
    run(tmp_path / "here" / "one", {"B": GOOD})
    for test_set, weights in ("B", "last"), ("C", "last"):
        run(tmp_path / test_set / "one", {test_set: BEST}, scored_with=weights)
    found = board(tmp_path)
    assert sorted(row.name for row in found.rows) == ["one, B/one/eval", "one, C/one/eval", "one, here/one/eval"]
    only_last = collect_leaderboard([tmp_path / "B", tmp_path / "C"], AUC)
    assert [row.covered for row in only_last.rows] == [2]
    assert only_last.rows[0].training.sets is None  # of two run folders, nobody knows which trained it


@pytest.mark.parametrize(
    ("metric", "message"), [("frame_acu", "did you mean 'frame_auc'"), ("frame_tpr_at_1pct", "cannot rank by")]
)
def test_what_cannot_be_ranked_by(metric: str, message: str):
    with pytest.raises(InputError, match=message):
        Method(metric)


def test_an_unknown_test_set_is_named(tmp_path: Path):
    run(tmp_path / "one", {"DemoX": GOOD})
    with pytest.raises(InputError, match="unknown test set 'DemoY'; did you mean 'DemoX'"):
        board(tmp_path, test_sets=["DemoY"])
