"""`assay explain` of score tables and features: confidence, errors, robustness, embed; on tables made by hand."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.spatial.distance import cdist

from benchmark.explain.confidence import confidence_figure, confidence_table, read_confidence
from benchmark.explain.embed import embed, embed_figure, embedding_table
from benchmark.explain.errors import errors_figure, read_errors
from benchmark.explain.faces import drawn_evenly
from benchmark.explain.robustness import level_curves, read_perturbed, robustness_figure
from benchmark.places import features_path, perturbed_path, scores_path
from config.errors import InputError
from evaluation.features import FeatureWriter
from evaluation.metrics import evaluate_scores
from evaluation.scores import ScoreRecord, ScoreWriter, SuiteRecord, read_scores
from tests.benchmark.test_score_tables import scored
from tests.score_rows import score_rows

# Frames are videos of their own. The threshold is 0.5: one of four reals is above, one of four fakes is not.
VAL = list(zip([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.5, 0.7, 0.4, 0.6, 0.8, 0.9], strict=True))
TEST = [(0, 0.5), (0, 0.6), (1, 0.5), (1, 0.55), (1, 0.2), (1, 0.9)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with val scores of set A, and test scores of A and B."""
    folder = tmp_path / "xception"
    scored(folder, "xception", "A", VAL, split="val")
    scored(folder, "xception", "A", TEST)
    scored(folder, "xception", "B", [(0, 0.1), (1, 0.0), (1, 1.0), (1, 1.0)])
    return folder


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_errors_are_at_the_threshold_of_the_runs_val_scores(assay, run: Path, tmp_path: Path):
    on_a, on_b = read_errors([run], ["A"])
    assert (on_a.run, on_a.test_set, on_b.test_set) == ("xception", "A", "B")
    assert on_a.threshold == on_b.threshold == 0.5
    assert (on_a.val.real, on_a.val.fake) == (0.25, 0.25)
    assert (on_a.test.real, on_a.test.fake) == (0.5, 0.5)
    assert (on_b.test.real, on_b.test.fake) == (0.0, pytest.approx(1 / 3))
    out = tmp_path / "errors.svg"
    answer = assay("explain", "errors", run, "--threshold-on", "A", "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_text().startswith("<?xml")
    assert "0.500000" in answer.out
    assert "0.3333" in answer.out
    figure = errors_figure([run], ["A"])
    assert texts(figure) == {"50.0%", "0.0%", "33.3%"}
    assert "A, split val; above it a frame is called fake" in figure.get_supxlabel().replace("\n", " ")


def test_errors_of_videos_have_the_videos_threshold(tmp_path: Path):
    folder = tmp_path / "xception"
    rows = {"val": ([0, 0, 1, 1], [0.1, 0.7, 0.2, 0.9]), "test": ([0, 0, 1, 1], [0.3, 0.6, 0.1, 0.3])}
    for split, (labels, scores) in rows.items():
        path = scored(folder, "xception", "A", [(0, 0.5), (1, 0.5)], split=split)
        with ScoreWriter(path) as writer:
            writer.write(score_rows(labels, scores, ["a", "a", "b", "b"]).assign(split=split))
    (frames,), (videos,) = read_errors([folder], ["A"]), read_errors([folder], ["A"], "video")
    assert (frames.threshold, frames.test.real, frames.test.fake) == (0.2, 1.0, 0.5)
    assert videos.threshold == pytest.approx(0.4)
    assert (videos.test.real, videos.test.fake) == (1.0, 1.0)  # 0.45 and 0.2


def test_a_set_that_a_detector_was_not_tested_on_has_a_dash(run: Path, tmp_path: Path):
    other = tmp_path / "sbi"
    scored(other, "sbi", "A", VAL, split="val")
    scored(other, "sbi", "A", TEST)
    reals, _ = errors_figure([run, other], ["A"]).axes
    assert [text.get_text() for text in reals.texts] == ["50.0%", "0.0%", "50.0%", "\u2013"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold-on", "B"], r"no val scores at .*B_val.*; make them with 'assay evaluate ... --threshold-on B'"),
        (["--threshold-on", "A", "--level", "clip"], "unknown level 'clip'"),
        (["--threshold-on", "A", "--out", "x.gif"], "a figure cannot be written as '.gif'"),
    ],
)
def test_a_mistake_about_errors_is_one_sentence(assay, run: Path, options: list[str], message: str):
    answer = assay("explain", "errors", run, *options)
    assert answer.code == 2
    assert pd.Series([answer.err]).str.contains(message).all()
    assert answer.err.count("\n") == 1


def test_a_run_given_twice_or_without_a_source_is_refused(run: Path):
    with pytest.raises(InputError, match="xception on A is given twice"):
        read_errors([run, copytree(run, run.parent / "copy" / run.name)], ["A"])
    with pytest.raises(InputError, match="--threshold-on"):
        read_errors([run], [])


def test_confidence_is_of_the_frames_of_each_test_set(assay, run: Path, tmp_path: Path):
    on_a, on_b = read_confidence([run])
    assert on_a.name == "xception on A"
    assert on_a.real.tolist() == [0.5, 0.6]
    assert on_b.fake.tolist() == [0.0, 1.0, 1.0]
    values = confidence_table([on_a, on_b]).values
    assert values[0] == pytest.approx((0.55, 0.55, 0.525, 0.5375, 6, 0))
    assert values[1] == pytest.approx((0.1, 0.1, 1.0, 2 / 3, 4, 3))
    out = tmp_path / "confidence.png"
    answer = assay("explain", "confidence", run, "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "xception on B" in answer.out
    figure = confidence_figure(scores_path(run / "eval", "B"))
    assert "3 of 4 scores are exactly 0 or 1" in figure.subfigs[0].get_suptitle()
    assert len(confidence_figure(*(scores_path(run / "eval", name) for name in "AB")).subfigs) == 2


def test_a_missing_table_names_what_makes_one(assay, tmp_path: Path):
    (tmp_path / "run").mkdir()
    for command, name, remedy in (
        ("confidence", "scores.parquet", "assay evaluate"),
        ("robustness", "perturbed.parquet", "assay evaluate ... --perturb SUITE"),
        ("embed", "features.parquet", "assay evaluate ... --features"),
        ("distances", "features.parquet", "assay evaluate ... --perturb SUITE --features"),
    ):
        answer = assay("explain", command, tmp_path / "run")
        assert answer.code == 2
        assert f"no {name} below {tmp_path / 'run'}; make some with '{remedy}'" in answer.err


def view(scores: list[float], perturbation: str = "none", level: int = 0, draw: int = 0) -> pd.DataFrame:
    return score_rows([0, 0, 1, 1], scores).assign(perturbation=perturbation, level=level, draw=draw)


CLEAN, HALF, QUARTERS = [0.1, 0.2, 0.8, 0.9], [0.9, 0.1, 0.8, 0.2], [0.1, 0.3, 0.2, 0.9]


def perturbed(folder: Path, detector: str, dataset: str = "A") -> Path:
    """Scores under noise of two draws and blur, whose AUCs are known: 1 clean, 0.5 and 0.75, and 0.75."""
    record = ScoreRecord.read(ScoreRecord.beside(scored(folder, detector, dataset, TEST)))
    path = perturbed_path(folder / "eval", dataset, "levels")
    with ScoreWriter(path) as writer:
        for rows in (view(CLEAN), view(HALF, "noise", 1, 0), view(QUARTERS, "noise", 1, 1), view(QUARTERS, "blur", 1)):
            writer.write(rows)
    suite = SuiteRecord("levels", "5" * 64, "crop", 2)
    n_videos = view(CLEAN)["video_id"].nunique()
    replace(record, suite=suite, n_videos=n_videos).write(ScoreRecord.beside(path))
    return path


def test_perturbed_scores_are_no_clean_ones(tmp_path: Path):
    path = perturbed(tmp_path / "xception", "xception")
    with pytest.raises(
        InputError, match=r"perturbed\.parquet holds scores under levels; see 'assay explain robustness'"
    ):
        read_confidence([path])
    assert [one.name for one in read_confidence([tmp_path, tmp_path])] == ["xception on A"]


def test_robustness_is_the_mean_over_draws_by_level(assay, tmp_path: Path):
    folder = tmp_path / "xception"
    perturbed(folder, "xception")
    (found,) = read_perturbed([folder])
    assert (found.run, found.test_set, found.suite.name) == ("xception", "A", "levels")
    noise, blur = level_curves(found, "x")
    assert (noise.perturbation, noise.levels, noise.means) == ("noise", [0, 1], [1.0, 0.625])
    assert noise.deviations == [None, pytest.approx(np.std([0.5, 0.75], ddof=1))]
    assert (blur.means, blur.deviations) == ([1.0, 0.75], [None, None])
    assert level_curves(found, "x", relative=True)[0].means == [0.0, -0.375]
    out = tmp_path / "robustness.png"
    answer = assay("explain", "robustness", folder, "--relative", "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_bytes().startswith(b"\x89PNG")
    assert "Change of frame AUC by level" in answer.out
    assert "xception: noise" in answer.out
    assert "-0.3750" in answer.out
    assert "landmarks: test" in answer.out
    with pytest.raises(InputError, match="unknown metric 'frame_acu'; did you mean 'frame_auc'"):
        robustness_figure([folder], "frame_acu")
    with pytest.raises(InputError, match="xception on A under levels is given twice"):
        robustness_figure([folder, copytree(folder, tmp_path / "copy" / folder.name)])


def test_a_relative_deviation_is_a_share_of_the_clean_value(tmp_path: Path):
    path = perturbed(tmp_path / "xception", "xception")
    scores = read_scores(path)
    clean = evaluate_scores(scores[scores["perturbation"] == "none"]).frame_brier
    (found,) = read_perturbed([path], "frame_brier")
    plain, relative = (level_curves(found, "x", "frame_brier", flag)[0] for flag in (False, True))
    assert plain.deviations[1] is not None
    assert relative.deviations[1] == pytest.approx(plain.deviations[1] / clean)


def test_lines_of_several_detectors_and_sets_are_named_by_both(tmp_path: Path):
    for detector in ("xception", "sbi"):
        for dataset in ("A", "B"):
            perturbed(tmp_path / detector, detector, dataset)
    figure = robustness_figure([tmp_path])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == ["sbi on A", "sbi on B", "xception on A", "xception on B"]
    assert "test set: A, B; suite: levels; level 0: the clean crops; bands" in figure.get_supxlabel()


def test_distances_begin_at_the_first_level(tmp_path: Path):
    path = perturbed(tmp_path / "xception", "xception")
    values = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    with FeatureWriter(features_path(path), 3) as writer:
        for face in range(4):
            for rows, shift in ((view(CLEAN), 0), (view(HALF, "noise", 1), 1), (view(QUARTERS, "blur", 1), 2)):
                writer.write(rows[face : face + 1], values[face : face + 1] + np.float32(shift))
    (found,) = read_perturbed([path], "mpd")
    assert [curve.levels for curve in level_curves(found, "x", "mpd")] == [[1], [1]]
    figure = robustness_figure([path], "mpd", relative=True)
    noise, blur = (axes for axes in figure.axes if axes.lines)
    # All dimensions move by as much, so that twice the shift is twice the distance.
    assert blur.lines[0].get_ydata()[0] == pytest.approx(2 * noise.lines[0].get_ydata()[0])
    assert noise.get_ylabel() == "relative mPD"


def test_a_metric_that_no_level_has_is_refused(tmp_path: Path):
    path = perturbed(tmp_path / "xception", "xception")
    with pytest.raises(InputError, match="has no frame_tpr_at_1pct to draw; 'assay table --perturb SUITE"):
        robustness_figure([path], "frame_tpr_at_1pct")
    with pytest.raises(InputError, match="--features"):
        robustness_figure([path], "mpd")


def features(folder: Path, gap: float, count: int = 20) -> Path:
    """Features of reals around 0 and fakes of two kinds around `gap`, and a perturbed view of each far away."""
    path = features_path(scored(folder, "xception", "A", TEST))
    labels = [0] * count + [1] * 2 * count
    rows = score_rows(labels, [0.5] * len(labels))
    rows["method"] = ["real"] * count + ["swap"] * count + ["warp"] * count
    values = np.random.default_rng(0).normal(size=(len(labels), 6)).astype(np.float32)
    values[count:] += gap
    with FeatureWriter(path, 6) as writer:
        writer.write(rows, values)
        writer.write(rows.assign(perturbation="blur", level=1), values + 1000)
    return path


def count_videos(table: Path) -> None:
    """Have the record of a score table say how many videos it holds now."""
    record = ScoreRecord.read(ScoreRecord.beside(table))
    replace(record, n_videos=read_scores(table)["video_id"].nunique()).write(ScoreRecord.beside(table))


def with_scores(folder: Path) -> Path:
    """Features of five reals and five fakes whose scores lie beside them, with a frame that has no face; and val."""
    scored(folder, "xception", "A", VAL, split="val")
    table = scored(folder, "xception", "A", TEST)
    rows = score_rows([0] * 5 + [1] * 5, [0.1, 0.9, 0.5, 0.6, 0.2] + [0.9] * 5)
    rows["method"] = ["real"] * 5 + ["swap"] * 5
    with ScoreWriter(table) as writer:
        writer.write(pd.concat([score_rows([0], [None], ["nobody"]), rows[::-1]]))  # another order than the features
    count_videos(table)
    with FeatureWriter(features_path(table), 3) as writer:
        writer.write(rows, np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32))
    return features_path(table)


def test_reals_above_the_threshold_of_val_are_marked_and_counted(assay, tmp_path: Path):
    """The threshold is 0.5, as for errors: two of five reals are above it."""
    path = with_scores(tmp_path / "xception")
    (found,) = embed([path], threshold_on=["A"])
    assert (found.wrong.threshold, found.wrong.rates.real, found.wrong.rates.fake) == (0.5, 0.4, 0.0)
    assert found.wrong.which.tolist() == [False, True, False, True, False] + [False] * 5
    assert found.embedding.marked == [1, 3]
    (few,) = embed([path], most=8, threshold_on=["A"])
    is_shown = (few.embedding.methods == "real").sum()
    assert (len(few.embedding.points), is_shown, few.wrong.rates.n_real) == (8, 4, 5)
    out = tmp_path / "embed.png"
    answer = assay("explain", "embed", path, "--threshold-on", "A", "--out", out)
    assert answer.code == 0, answer.err
    assert embedding_table([found]).values[0][4:] == (5, 2, 5, 0.4, 0.5)
    assert "0.500000" in answer.out
    assert "called fake" not in assay("explain", "embed", path, "--out", out).out
    figure = embed_figure(path, threshold_on=["A"])
    assert figure.axes[0].get_title(loc="left") == "xception on A\n2 of 5 reals called fake"
    assert "Large rings: reals called fake at the threshold" in " ".join(figure.get_supxlabel().split())


def test_marks_need_the_scores_of_val_and_of_each_face(tmp_path: Path):
    path = with_scores(tmp_path / "xception")
    with pytest.raises(InputError, match=r"no val scores at .*B_val.*; make them with 'assay evaluate"):
        embed([path], threshold_on=["B"])
    with ScoreWriter(path.with_name("scores.parquet")) as writer:
        writer.write(score_rows([0] * 4, [0.1] * 4))
    count_videos(path.with_name("scores.parquet"))
    with pytest.raises(InputError, match="lacks the score of a face whose feature lies beside it"):
        embed([path], threshold_on=["A"])


def test_marks_on_clean_crops_of_a_suite_are_those_of_its_own_table(tmp_path: Path):
    path = with_scores(tmp_path / "xception")
    under = perturbed_path(tmp_path / "xception" / "eval", "A", "blurs")
    under.parent.mkdir()
    rows = read_scores(path.with_name("scores.parquet")).query("face >= 0")
    with ScoreWriter(under) as writer:
        writer.write(pd.concat([rows, rows.assign(perturbation="blur", level=1, score=0.99)]))
    path.with_name("scores.json").rename(ScoreRecord.beside(under))
    count_videos(under)
    path.rename(features_path(under))
    (found,) = embed([features_path(under)], threshold_on=["A"])
    assert found.embedding.marked == [1, 3]


def silhouette(values: np.ndarray, is_real: np.ndarray) -> float:
    """Rousseeuw's definition, sample by sample."""
    distances, widths = cdist(values, values), []
    for row, own in zip(distances, is_real, strict=True):
        inside = row[is_real == own].sum() / ((is_real == own).sum() - 1)
        outside = row[is_real != own].mean()
        widths.append((outside - inside) / max(inside, outside))
    return float(np.mean(widths))


def test_the_silhouette_is_that_of_the_clean_features(assay, tmp_path: Path):
    path = features(tmp_path / "xception", 1.5)
    (found,) = embed([tmp_path / "xception"])
    assert (found.of, found.dimension, len(found.embedding.points)) == (60, 6, 60)
    assert found.embedding.title == "xception on A"
    assert sorted(set(found.embedding.methods)) == ["real", "swap", "warp"]
    values = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    values[20:] += 1.5
    assert found.silhouette == pytest.approx(silhouette(values.astype(float), np.arange(60) < 20), abs=1e-5)
    assert found.perplexity == pytest.approx(59 / 3)
    out = tmp_path / "embed.png"
    answer = assay("explain", "embed", path, "--out", out)
    assert answer.code == 0, answer.err
    assert f"{found.silhouette:.4f}" in answer.out
    first = out.read_bytes()
    assert assay("explain", "embed", path, "--out", out).code == 0
    assert out.read_bytes() == first


def test_what_lies_apart_stays_apart_in_the_plane(tmp_path: Path):
    (found,) = embed([features(tmp_path / "xception", 50.0)], seed=3)
    points, is_real = found.embedding.points, found.embedding.methods == "real"
    assert found.silhouette is not None
    assert found.silhouette > 0.9
    centres = points[is_real].mean(0), points[~is_real].mean(0)
    nearest = np.argmin([np.linalg.norm(points - centre, axis=1) for centre in centres], axis=0)
    assert ((nearest == 0) == is_real).all()


def test_few_are_drawn_evenly_by_class(tmp_path: Path):
    (found,) = embed([features(tmp_path / "xception", 1.0)], most=12)
    names, counts = np.unique(found.embedding.methods.astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"real": 4, "swap": 4, "warp": 4}
    assert found.of == 60
    with pytest.raises(InputError, match="t-SNE needs the features of at least 8 faces, not of 5"):
        embed_figure(tmp_path / "xception" / "eval" / "A" / "features.parquet", most=5)


def test_a_kind_with_few_leaves_its_share_to_the_others():
    kinds = np.array(["a"] * 2 + ["b"] * 50 + ["c"] * 50, object)
    chosen = drawn_evenly(kinds, 22, np.random.default_rng(0))
    assert (np.diff(chosen) > 0).all()
    assert [int((kinds[chosen] == name).sum()) for name in "abc"] == [2, 10, 10]
    others = drawn_evenly(kinds, 22, np.random.default_rng(1))
    assert chosen.tolist() != others.tolist()
    assert drawn_evenly(kinds, 1000, np.random.default_rng(0)).tolist() == list(range(102))


def test_a_folder_stands_for_the_features_of_test_splits(tmp_path: Path):
    path = features(tmp_path / "xception", 1.0)
    val = scored(tmp_path / "xception", "xception", "A", TEST, split="val").with_name("features.parquet")
    with FeatureWriter(val, 2) as writer:
        writer.write(score_rows([0, 1] * 5, [0.5] * 10).assign(split="val"), np.eye(10, 2, dtype=np.float32))
    assert [one.dimension for one in embed([tmp_path])] == [6]
    assert [one.dimension for one in embed([val])] == [2]
    path.unlink()
    with pytest.raises(InputError, match="no features of test splits below"):
        embed([tmp_path])


def test_features_under_suites_stand_for_clean_ones_that_are_not_there(tmp_path: Path):
    clean = features(tmp_path / "xception", 1.0)
    (expected,) = embed([clean])
    for suite in ("blurs", "noises"):
        under = perturbed_path(tmp_path / "xception" / "eval", "A", suite)
        under.parent.mkdir()
        for source, copy in (
            (clean, features_path(under)),
            (clean.with_name("scores.json"), ScoreRecord.beside(under)),
            (clean.with_name("scores.parquet"), under),
        ):
            copy.write_bytes(source.read_bytes())
    assert len(embed([tmp_path])) == 1
    clean.unlink()
    (found,) = embed([tmp_path])
    assert (found.embedding.title, found.silhouette) == ("xception on A", expected.silhouette)
    assert (found.embedding.points == expected.embedding.points).all()


def test_features_of_one_class_have_no_silhouette(tmp_path: Path):
    path = features(tmp_path / "xception", 1.0)
    rows = score_rows([1] * 10, [0.5] * 10)
    with FeatureWriter(path, 3) as writer:
        writer.write(rows, np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32))
    assert embed([path])[0].silhouette is None


@pytest.mark.parametrize("values", [np.ones((10, 3)), np.arange(10.0)[:, None]], ids=["equal", "of one number"])
def test_features_that_span_no_plane_are_refused(tmp_path: Path, values: np.ndarray):
    path = tmp_path / "features.parquet"
    with FeatureWriter(path, values.shape[1]) as writer:
        writer.write(score_rows([0, 1] * 5, [0.5] * 10), values.astype(np.float32))
    with pytest.raises(InputError, match="t-SNE needs features that differ in two dimensions"):
        embed([path])
