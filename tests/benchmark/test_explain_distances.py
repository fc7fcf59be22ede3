"""`assay explain distances`: which files are read, which points are drawn in which colour, and what is printed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.explain.distances import distances_table, draw_distances, read_distances
from benchmark.places import features_path, perturbed_path
from config.errors import InputError
from evaluation.features import FeatureWriter
from evaluation.perturbed_distance import face_distances
from evaluation.scores import ScoreRecord, ScoreWriter, SuiteRecord
from tests.benchmark.test_score_tables import scored
from tests.score_rows import score_rows

COUNT = 12
VIEWS = [("none", 0, 0), ("noise", 1, 0), ("noise", 1, 1), ("blur", 1, 0), ("blur", 2, 0)]


def moved(folder: Path, detector: str, dimension: int, suite: str = "levels", split: str = "test") -> Path:
    """Features of reals and fakes, each view of a face moved somewhere else, with the scores that they belong to."""
    labels = [0, 1] * (COUNT // 2)
    rows = score_rows(labels, [0.5] * COUNT).assign(split=split)
    record = ScoreRecord.read(
        ScoreRecord.beside(scored(folder, detector, "A", [(label, 0.5) for label in labels], split=split))
    )
    table = perturbed_path(folder / "eval", "A", suite, split)
    values = np.random.default_rng(dimension).normal(size=(COUNT, len(VIEWS), dimension)).astype(np.float32)
    with ScoreWriter(table) as scores, FeatureWriter(features_path(table), dimension) as features:
        for face in range(COUNT):
            for number, (name, level, draw) in enumerate(VIEWS):
                row = rows[face : face + 1].assign(perturbation=name, level=level, draw=draw)
                scores.write(row)
                features.write(row, values[face, number][None])
    replace(record, suite=SuiteRecord(suite, "5" * 64, "crop", 2)).write(ScoreRecord.beside(table))
    return features_path(table)


def test_points_are_the_clean_features_coloured_by_their_distance(tmp_path: Path):
    paths = [moved(tmp_path / name, "vht", 2, suite) for name, suite in (("one", "levels"), ("two", "others"))]
    found = read_distances([tmp_path])
    assert [one.name for one in found] == ["vht (one) on A, levels", "vht (two) on A, others"]
    figure = draw_distances(found, 0)
    clean = np.random.default_rng(2).normal(size=(COUNT, len(VIEWS), 2)).astype(np.float32)[:, 0]
    for axes, path in zip(figure.axes, paths, strict=False):
        distances = face_distances(path)
        (points,) = axes.collections
        by_place = dict(zip(map(tuple, points.get_offsets().tolist()), points.get_array().tolist(), strict=True))
        assert by_place == pytest.approx(dict(zip(map(tuple, clean.tolist()), distances.values.tolist(), strict=True)))
        assert axes.get_title(loc="left").splitlines()[1] == f"mPD {distances.mpd:.4f}"
    assert "mean over the draws of noise, blur, level 1" in figure.get_supxlabel().replace("\n", " ")
    assert figure.axes[2].get_ylabel() == "PD"


def test_a_perturbation_or_level_may_stand_alone(tmp_path: Path):
    path = moved(tmp_path / "one", "vht", 2)
    (noise,) = read_distances([path], perturbation="noise")
    (second,) = read_distances([path], level=2)
    np.testing.assert_array_equal(noise.distances.values, face_distances(path, 1, "noise").values)
    np.testing.assert_array_equal(second.distances.values, face_distances(path, 2, "blur").values)
    assert "the draws of blur, level 2" in draw_distances([second], 0).get_supxlabel()


def test_features_of_other_lengths_compare_by_their_relative_distance(tmp_path: Path):
    for name, dimension in (("one", 2), ("two", 5)):
        moved(tmp_path / name, "vht", dimension)
    found = read_distances([tmp_path])
    figure = draw_distances(found, 0)
    assert [one.perplexity for one in found] == [None, pytest.approx((COUNT - 1) / 3)]
    for axes, one in zip(figure.axes, found, strict=False):
        relative = one.distances.values / one.distances.typical
        np.testing.assert_allclose(np.sort(axes.collections[0].get_array()), np.sort(relative))
        assert f"relative {one.distances.relative_mpd:.4f}" in axes.get_title(loc="left")
    assert figure.axes[2].get_ylabel() == "relative PD"


def test_few_are_shown_and_all_are_counted(tmp_path: Path):
    (found,) = read_distances([moved(tmp_path / "one", "vht", 2)], most=4)
    assert (len(found.points), len(found.shown), len(found.distances.values)) == (4, 4, COUNT)
    assert (found.shown % 2).tolist().count(1) == 2  # reals are even
    (row,) = distances_table([found]).values
    values, typical = found.distances.values, 2.0
    expected = (values.mean(), np.median(values), np.quantile(values, 0.9), typical, values.mean() / typical)
    assert row == pytest.approx((*expected, COUNT, 4, 2))


def test_the_command_writes_the_picture_and_prints_the_numbers(assay, tmp_path: Path):
    path, out = moved(tmp_path / "one", "vht", 2), tmp_path / "new" / "distances.svg"
    answer = assay("explain", "distances", tmp_path, "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_text().startswith("<?xml")
    found = face_distances(path)
    for value in (found.mpd, np.median(found.values), found.typical, found.relative_mpd):
        assert f"{value:.4f}" in answer.out
    assert "vht (one) on A, levels: noise, blur" in answer.out


def test_features_of_val_or_of_clean_crops_alone_are_passed_over_in_a_folder(tmp_path: Path):
    val = moved(tmp_path / "one", "vht", 2, split="val")
    with pytest.raises(InputError, match="no features of test splits under a suite below"):
        read_distances([tmp_path])
    assert len(read_distances([val])) == 1
    clean = features_path(scored(tmp_path / "two", "vht", "A", [(0, 0.5)]))
    with FeatureWriter(clean, 2) as writer:
        writer.write(score_rows([0, 1] * 4, [0.5] * 8), np.eye(8, 2, dtype=np.float32))
    with pytest.raises(InputError, match="no features of test splits under a suite below"):
        read_distances([tmp_path / "two"])
    with pytest.raises(InputError, match="holds clean features alone"):
        read_distances([clean])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--perturbation", "nose"], "unknown perturbation 'nose'; did you mean 'noise'"),
        (["--level", "3"], "has no level 3; it has 1, 2"),
        (["--out", "d.gif"], "a figure cannot be written as '.gif'"),
    ],
)
def test_a_mistake_is_one_sentence(assay, tmp_path: Path, options: list[str], message: str):
    moved(tmp_path / "one", "vht", 2)
    answer = assay("explain", "distances", tmp_path, *options)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
