"""`assay explain examples`: which faces are shown, in which order, with whose scores; of score tables made by hand."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from benchmark.explain.examples import Examples, read_examples, spread_over
from benchmark.places import scores_path
from config.errors import InputError
from evaluation.plots.style import GREEN, VERMILION
from evaluation.scores import SCHEMA, ScoreRecord, ScoreWriter, environment
from preprocessing.rows import load_rows
from preprocessing.samples import FaceSet
from tests.dfb import write_ffpp

NAME = "FaceForensics++"
VIDEOS = 7  # of each class


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test videos of two frames with a face and one without."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.dfb.SPLITS", {f"{number:03d}": "test" for number in range(VIDEOS)})
        write_ffpp(folder)
    return folder


def run(folder: Path, data: Path, detector: str, seed: int, drop: int | None = None, split: str = "test") -> Path:
    """A run folder with random scores of the data set's faces, as those of a split; `drop` leaves a row out."""
    rows = load_rows(data, NAME, "test")
    has_face = rows["face"] >= 0
    score = np.where(has_face, np.random.default_rng(seed).random(len(rows)), np.nan)
    rows = rows.assign(perturbation="none", level=0, draw=0, score=score)
    path = scores_path(folder / detector / "eval", NAME, split)
    rows = rows.drop(index=[] if drop is None else [drop])
    with ScoreWriter(path) as writer:
        writer.write(rows[SCHEMA.names])
    videos = rows["video_id"].nunique()
    record = ScoreRecord(detector, "w", "m", "corrected", 1, 0, 1.0, videos, len(rows), 0, environment(), None)
    record.write(ScoreRecord.beside(path))
    return folder / detector


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [run(folder, data, "xception", 1), run(folder, data, "sbi", 2)]


def table_of(run: Path) -> pd.DataFrame:
    scores = pd.read_parquet(scores_path(run / "eval", NAME))
    return scores[scores["face"] >= 0].set_index(["video_id", "frame"])


def shown(found: Examples) -> list[tuple[str, int]]:
    return list(zip(found.rows["video_id"], found.rows["frame"], strict=True))


def test_faces_are_the_stored_ones_with_the_scores_of_the_tables(data: Path, runs: list[Path]):
    found = read_examples(runs, NAME, data, count=4)
    assert found.detectors == ("xception", "sbi")
    assert found.rows["label"].tolist() == [0] * 4 + [1] * 4
    assert set(found.rows["frame"]) == {0}  # of two frames with a face the first is the middle one
    assert found.rows["video_id"].is_unique
    for run, scores in zip(runs, found.scores, strict=True):
        table = table_of(run)
        assert scores.tolist() == [table.loc[face, "score"] for face in shown(found)]
    for of_class in (found.scores[0, :4], found.scores[0, 4:]):
        assert (np.diff(of_class) > 0).all()
    stored = FaceSet(load_rows(data, NAME, "test", only=[("face", "==", 0)]))
    keys = stored.rows["key"].tolist()
    for key, image in zip(found.rows["key"], found.images, strict=True):
        np.testing.assert_array_equal(image, stored.read(keys.index(key)).image)


def test_the_first_detector_decides_the_order_and_the_seed_the_faces(data: Path, runs: list[Path]):
    one, other = read_examples(runs, NAME, data), read_examples(runs[::-1], NAME, data)
    assert other.detectors == ("sbi", "xception")
    assert (np.diff(other.scores[0, :3]) > 0).all()
    assert shown(one) == shown(read_examples(runs, NAME, data))
    assert len({tuple(shown(read_examples(runs, NAME, data, seed=seed))) for seed in range(8)}) > 1
    whole = read_examples(runs, NAME, data, count=99)
    assert whole.rows["label"].tolist() == [0] * VIDEOS + [1] * 2 * VIDEOS


def test_every_row_has_the_same_faces_in_frames_of_their_class(data: Path, runs: list[Path]):
    found = read_examples(runs, NAME, data, count=2)
    cells = np.array(found.figure().axes, object).reshape(2, 5)
    for line, scores in zip(cells, found.scores, strict=True):
        for cell, image, label, score in zip(line[1:], found.images, found.rows["label"], scores, strict=True):
            np.testing.assert_array_equal(cell.images[0].get_array(), image)
            (frame,) = cell.patches
            assert to_hex(frame.get_edgecolor()).upper() == (VERMILION if label else GREEN)
            assert [text.get_text() for text in cell.texts] == [f"{score:.3f}"]
    assert [line[0].texts[0].get_text() for line in cells] == ["xception", "sbi"]
    assert [cell.get_title() for cell in cells[0, 1:]][:2] == ["real", "real"]
    assert set(found.rows["method"][2:]) >= {cell.get_title() for cell in cells[0, 3:]}


def test_the_command_writes_the_picture_and_prints_the_scores(assay, data: Path, runs: list[Path], tmp_path: Path):
    out, options = tmp_path / "new" / "examples.png", ("--test", NAME, "--data", data, "--count", 2, "--seed", 5)
    answer = assay("explain", "examples", *runs, *options, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out.endswith(f"{out}\n")
    assert out.read_bytes().startswith(b"\x89PNG")
    found = read_examples(runs, NAME, data, count=2, seed=5)
    assert all(f"{score:.4f}" in answer.out for score in found.scores.ravel())
    assert found.table().rows[0].startswith("real: 00")
    assert "drawn evenly over the range of xception's scores with seed 5" in found.source


def test_only_faces_that_all_have_scored_are_shown(data: Path, runs: list[Path], tmp_path: Path):
    """A detector that lacks the first frame of a video: its second one is the middle of those in common."""
    rows = load_rows(data, NAME, "test")
    lacking = run(tmp_path, data, "facexray", 3, drop=0)
    found = read_examples([runs[0], lacking], NAME, data, count=99)
    frames = dict(shown(found))
    assert frames[rows["video_id"][0]] == 12
    assert sorted(frames.values()) == [0] * (3 * VIDEOS - 1) + [12]


def test_only_misjudged_faces_are_shown_at_the_threshold_of_val(assay, data: Path, tmp_path: Path):
    """Of random scores about half are wrong; those of val, which are others, choose the threshold."""
    folder = run(tmp_path, data, "xception", 1)
    run(tmp_path, data, "xception", 5, split="val")
    options = ("--threshold-on", NAME)
    answer = assay("explain", "errors", folder, *options, "--out", tmp_path / "errors.png")
    threshold = float(re.findall(r"xception, \S+ +(\S+)", answer.out)[0])
    table = table_of(folder).query("frame == 0")
    wrong = table[(table["score"] > threshold) == (table["label"] == 0)].index.tolist()
    assert 0 < len(wrong) < len(table)
    found = read_examples([folder], NAME, data, count=99, threshold_on=[NAME])
    assert sorted(shown(found)) == sorted(wrong)
    assert f"if xception misjudges it at {threshold:.4f}, the threshold of {NAME} val" in found.source
    out = tmp_path / "examples.png"
    command = ("explain", "examples", folder, "--test", NAME, "--data", data, *options, "--out", out)
    answer = assay(*command, "--count", 2)
    assert answer.code == 0, answer.err
    few = read_examples([folder], NAME, data, count=2, threshold_on=[NAME])
    assert set(shown(few)) <= set(wrong)
    assert all(f"{score:.4f}" in answer.out for score in few.scores.ravel())


def test_where_nothing_is_misjudged_there_is_nothing_to_show(data: Path, runs: list[Path], tmp_path: Path):
    with pytest.raises(InputError, match="make them with 'assay evaluate"):
        read_examples(runs, NAME, data, threshold_on=[NAME])
    folder = run(tmp_path, data, "xception", 1)
    run(tmp_path, data, "xception", 1, split="val")
    for split in ("test", "val"):
        path = scores_path(folder / "eval", NAME, split)
        table = pd.read_parquet(path)
        table["score"] = table["label"].where(table["face"] >= 0).astype(float)
        path.unlink()
        with ScoreWriter(path) as writer:
            writer.write(table)
    with pytest.raises(InputError, match=r"xception misjudges none of the faces of FaceForensics\+\+ that"):
        read_examples([folder], NAME, data, threshold_on=[NAME])


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    count=st.integers(1, 8),
    seed=st.integers(0, 100),
)
def test_the_spread_covers_the_range(scores: list[float], count: int, seed: int):
    values = np.array(scores)
    chosen = spread_over(values, count, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(scores))
    assert (np.diff(values[chosen]) >= 0).all()
    low, high = values.min(), values.max()
    if len(scores) > count and high - low > 1e-3:
        edges = np.linspace(low, high, count + 1)
        for start, stop in pairwise(edges):
            inside = (values > start + 1e-6) & (values < stop - 1e-6)
            assert not inside.any() or ((values[chosen] >= start - 1e-6) & (values[chosen] <= stop + 1e-6)).any()


def test_an_interval_without_a_score_takes_the_nearest_that_is_left():
    values = np.array([0.0, 0.01, 0.02, 0.45, 1.0, 0.98])
    chosen = [values[spread_over(values, 4, np.random.default_rng(seed))].tolist() for seed in range(40)]
    assert {scores[0] for scores in chosen} == {0.0, 0.01, 0.02}
    assert all(scores[1:] == [0.45, 0.98, 1.0] for scores in chosen)


def test_mistakes_are_one_sentence(assay, data: Path, runs: list[Path], tmp_path: Path):
    def err(*arguments: object) -> str:
        answer = assay("explain", "examples", *arguments, "--data", data)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
        return answer.err

    assert f"unknown test set of these scores 'FaceForensic'; did you mean '{NAME}'?" in err(
        *runs, "--test", "FaceForensic"
    )
    assert "a figure cannot be written as '.gif'" in err(*runs, "--test", NAME, "--out", "x.gif")
    again = run(tmp_path, data, "xception", 4)
    assert f"xception on {NAME} is given twice" in err(*runs, again, "--test", NAME)
    (tmp_path / "empty").mkdir()
    assert "make some with 'assay evaluate'" in err(tmp_path / "empty", "--test", NAME)
    assert "no such manifest" in err(*runs, "--test", NAME, "--profile", "sbi")


def test_faces_that_none_or_nobody_has_are_refused(data: Path, runs: list[Path], tmp_path: Path):
    other = scores_path(tmp_path / "vht" / "eval", NAME)
    scores = pd.read_parquet(scores_path(runs[0] / "eval", NAME))
    with ScoreWriter(other) as writer:
        writer.write(scores.assign(video_id=scores["video_id"] + "x"))
    record = ScoreRecord.read(ScoreRecord.beside(scores_path(runs[0] / "eval", NAME)))
    replace(record, detector="vht").write(ScoreRecord.beside(other))
    with pytest.raises(InputError, match="has a score by xception and vht alike"):
        read_examples([runs[0], tmp_path], NAME, data)
    with pytest.raises(InputError, match="that were scored is in"):
        read_examples([tmp_path], NAME, data)
