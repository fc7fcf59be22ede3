"""mPD against numbers worked out by hand, scipy's distance, and what must hold for any features."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist, seuclidean

from config.errors import InputError
from config.perturbation import CLEAN
from evaluation import features
from evaluation.features import FeatureWriter
from evaluation.perturbed_distance import PerturbedDistances, face_distances, perturbed_distances
from tests.score_rows import score_rows

Variants = list[tuple[str, int, int]]
TWO_DRAWS: Variants = [(CLEAN, 0, 0), ("noise", 1, 0), ("noise", 1, 1), ("blur", 1, 0)]


def written(path: Path, values: np.ndarray, variants: Variants = TWO_DRAWS, faces: list[str] | None = None) -> Path:
    """Features (faces, views, D) of one frame of each of some videos."""
    count = len(values)
    rows = score_rows([0] * count, [0.5] * count, faces or [f"v{n}" for n in range(count)], frames=[3] * count)
    rows = rows.loc[rows.index.repeat(len(variants))]
    for column, names in zip(("perturbation", "level", "draw"), zip(*variants, strict=True), strict=True):
        rows[column] = np.tile(names, count)
    with FeatureWriter(path, values.shape[2]) as writer:
        writer.write(rows, values.reshape(-1, values.shape[2]).astype(np.float32))
    return path


def measured(folder: Path, values: np.ndarray, variants: Variants = TWO_DRAWS) -> PerturbedDistances:
    return perturbed_distances(written(folder / "features.parquet", values, variants))


def test_numbers_worked_out_by_hand(tmp_path: Path):
    # Clean (0, 0, 7), (2, 0, 7), (4, 6, 7): deviations 2 and sqrt(12), the third dimension is left out.
    values = np.array(
        [
            [[0, 0, 7], [2, 0, 7], [0, 0, 7], [6, 0, 7]],
            [[2, 0, 7], [2, 0, 9], [2, math.sqrt(12), 7], [2, 0, 7]],
            [[4, 6, 7], [10, 6 - 4 * math.sqrt(12), 7], [4, 6, 7], [4, 6, 7]],
        ]
    )
    found = measured(tmp_path, values)
    assert (found.dimension, found.n_constant, found.n_samples) == (3, 1, 3)
    assert found.typical == 2.0
    noise, blur = found.levels
    assert (noise.perturbation, noise.level, blur.perturbation, blur.level) == ("noise", 1, "blur", 1)
    assert noise.by_draw == pytest.approx(((1 + 0 + 5) / 3, (0 + 1 + 0) / 3))
    assert noise.mpd == pytest.approx((0.5 + 0.5 + 2.5) / 3)
    assert noise.deviation == pytest.approx((2 - 1 / 3) / math.sqrt(2))
    assert noise.relative_mpd == pytest.approx(3.5 / 3 / 2)
    assert (blur.mpd, blur.deviation) == (pytest.approx(1.0), None)


def test_it_is_the_mean_of_scipys_standardised_distance_whatever_the_row_groups(tmp_path: Path, monkeypatch):
    values = np.random.default_rng(0).gamma(2.0, 3.0, (40, 4, 6)).astype(np.float32).astype(np.float64)
    variances = values[:, 0].var(axis=0, ddof=1)
    for group in (1, 3, 7, 1000):
        monkeypatch.setattr(features, "_GROUP_BYTES", 4 * 6 * group)
        found = measured(tmp_path, values)
        for level, views in zip(found.levels, ([1, 2], [3]), strict=True):
            expected = [[seuclidean(face[view], face[0], variances) for view in views] for face in values]
            assert level.mpd == pytest.approx(np.mean(expected))
            assert level.by_draw == pytest.approx(tuple(np.mean(expected, axis=0)))


def test_the_unit_of_the_relative_distance_is_that_of_two_clean_samples(tmp_path: Path):
    values = np.random.default_rng(1).gamma(2.0, 3.0, (30, 4, 5)).astype(np.float32).astype(np.float64)
    between = pdist(values[:, 0], "seuclidean", V=values[:, 0].var(axis=0, ddof=1))
    found = measured(tmp_path, values)
    assert found.typical == pytest.approx(math.sqrt(np.mean(between**2)))
    assert found.levels[0].relative_mpd == pytest.approx(found.levels[0].mpd / math.sqrt(np.mean(between**2)))


def test_a_dimension_that_never_changes_is_left_out_though_its_mean_is_rounded(tmp_path: Path):
    values = np.random.default_rng(2).normal(size=(33, 4, 3))
    values[..., 1] = np.float32(0.1)
    values[:, 1:, 1] += 5
    with_it, without = measured(tmp_path, values), measured(tmp_path, values[..., [0, 2]])
    assert (with_it.n_constant, without.n_constant) == (1, 0)
    assert with_it.levels == without.levels


coordinates = st.integers(-1000, 1000).map(float)
some_values = arrays(np.float64, (5, 4, 3), elements=coordinates)


@settings(max_examples=20)
@given(some_values, st.sampled_from([0.25, 2.0, 1024.0, -1.0]), st.integers(-500, 500))
def test_scale_and_place_of_a_dimension_do_not_matter(tmp_path_factory, values: np.ndarray, factor: float, shift: int):
    changed = values.copy()
    changed[..., 1] = changed[..., 1] * factor + shift
    folder = tmp_path_factory.mktemp("scale")
    before, after = measured(folder, values), measured(folder, changed)
    assert before.n_constant == after.n_constant
    assert [level.mpd for level in before.levels] == pytest.approx([level.mpd for level in after.levels])


@settings(max_examples=20)
@given(some_values)
def test_it_is_nought_exactly_where_nothing_changes(tmp_path_factory, values: np.ndarray):
    values[:, 3] = values[:, 0]
    found = measured(tmp_path_factory.mktemp("nought"), values)
    varying = np.ptp(values[:, 0], axis=0) > 0
    assert found.n_constant == (~varying).sum()
    if varying.any():
        moved = (values[:, 1:3] != values[:, :1])[..., varying].any()
        assert found.levels[1].mpd == 0
        assert (found.levels[0].mpd > 0) == moved


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_clean_samples_there_is_no_distance(tmp_path: Path, count: int):
    found = measured(tmp_path, np.random.default_rng(0).normal(size=(count, 4, 3)))
    assert (found.n_samples, found.n_constant, found.levels) == (count, 3, ())


def test_views_that_do_not_belong_together_are_refused(tmp_path: Path):
    values, path = np.random.default_rng(0).normal(size=(4, 4, 3)), tmp_path / "features.parquet"
    with pytest.raises(InputError, match="frame 3 of video 'v0' do not follow on its clean one"):
        perturbed_distances(written(path, values, TWO_DRAWS[::-1]))
    written(path, values)
    whole = features.read_features(path)
    with FeatureWriter(path, 3) as writer:
        writer.write(whole.rows[:-1], whole.values[:-1])
    with pytest.raises(InputError, match="holds 3 features of blur, level 1, draw 0, and 4 clean ones"):
        perturbed_distances(path)
    mixed = pd.concat([whole.rows[:4], whole.rows[4:8].assign(video_id="v9"), whole.rows[8:]])
    mixed.iloc[4, mixed.columns.get_loc("video_id")] = "v1"
    with FeatureWriter(path, 3) as writer:
        writer.write(mixed, whole.values)
    with pytest.raises(InputError, match="of video 'v9' do not follow"):
        perturbed_distances(path)


@pytest.mark.parametrize("group", [1, 3, 7, 1000])
def test_each_faces_distance_is_the_mean_over_its_views(tmp_path: Path, monkeypatch, group: int):
    values = np.random.default_rng(3).gamma(2.0, 3.0, (25, 4, 6)).astype(np.float32).astype(np.float64)
    deviations = values[:, 0].std(axis=0, ddof=1)
    path = written(tmp_path / "features.parquet", values)
    monkeypatch.setattr(features, "_GROUP_BYTES", 4 * 6 * group)
    by_view = [[math.dist(view / deviations, face[0] / deviations) for view in face[1:]] for face in values]
    noise, blur = np.mean(np.array(by_view)[:, :2], axis=1), np.array(by_view)[:, 2]
    every = face_distances(path)
    assert (every.perturbations, every.level, every.dimension) == (("noise", "blur"), 1, 6)
    np.testing.assert_allclose(every.values, (noise + blur) / 2)
    np.testing.assert_allclose(face_distances(path, perturbation="noise").values, noise)
    np.testing.assert_allclose(face_distances(path, perturbation="blur").values, blur)


def test_the_mean_over_faces_is_mpd(tmp_path: Path):
    values = np.random.default_rng(4).normal(size=(30, 6, 5))
    variants = [*TWO_DRAWS, ("blur", 2, 0), ("noise", 2, 0)]
    path = written(tmp_path / "features.parquet", values, variants)
    whole = perturbed_distances(path)
    for one in whole.levels:
        alone = face_distances(path, one.level, one.perturbation)
        assert (alone.mpd, alone.relative_mpd) == pytest.approx((one.mpd, one.relative_mpd))
    for level in (1, 2):
        together = face_distances(path, level)
        assert together.mpd == pytest.approx(np.mean([one.mpd for one in whole.levels if one.level == level]))
        assert together.typical == whole.typical


@pytest.mark.parametrize(
    ("variants", "asked", "message"),
    [
        (TWO_DRAWS, (2, None), "has no level 2; it has 1"),
        ([*TWO_DRAWS, ("blur", 2, 0)], (2, "noise"), "has no level 2; it has 1"),
        (TWO_DRAWS, (1, "nose"), "unknown perturbation 'nose'; did you mean 'noise'"),
        (TWO_DRAWS[:1], (1, None), "holds clean features alone; make others with 'assay evaluate ... --perturb SUITE'"),
    ],
)
def test_views_that_are_not_there_are_refused(tmp_path: Path, variants: Variants, asked, message: str):
    path = written(tmp_path / "features.parquet", np.random.default_rng(0).normal(size=(4, len(variants), 3)), variants)
    with pytest.raises(InputError, match=message):
        face_distances(path, *asked)


def test_faces_need_clean_features_that_differ_and_all_their_views(tmp_path: Path):
    path = written(tmp_path / "features.parquet", np.ones((4, 4, 3)))
    with pytest.raises(InputError, match="distances need clean features that differ"):
        face_distances(path)
    whole = features.read_features(written(path, np.random.default_rng(0).normal(size=(4, 4, 3))))
    with FeatureWriter(path, 3) as writer:
        writer.write(whole.rows[:-1], whole.values[:-1])
    with pytest.raises(InputError, match="holds 3 features of blur, level 1, draw 0, and 4 clean ones"):
        face_distances(path)
