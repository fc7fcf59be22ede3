"""Scoring all views of a face: each its own score and feature, whatever the batches, processes and kills."""

import gc
import shutil
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from config.errors import InputError
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation.features import read_features
from evaluation.parts import Parts
from evaluation.prediction import batches_of, pooled, predict
from evaluation.scores import IDENTITY, read_scores
from evaluation.scoring import BROKEN_VALUE, Scored, score
from preprocessing.samples import FaceSet, Sample
from preprocessing.store import FaceStoreWriter
from preprocessing.views import Suite, load_suite
from tests.evaluation.test_scoring import CPU, META, config
from tests.evaluation.test_scoring_spread import KilledError, killed_after
from tests.inputs import network_input
from tests.perturbed import store_views
from tests.preprocessing.test_manifest import row
from tests.processes import random_moments, run_all, run_killed

FACES, BROKEN = 21, "D/frames/v1/002.png"
VIEWS = [("none", 0, 0), ("gaussian_noise", 1, 0), ("gaussian_noise", 1, 1), ("jpeg", 1, 0), ("jpeg", 2, 0)]


class Texture(nn.Module):
    """P(fake) depends on the pixels, on the other views of the pass and on a weight; the feature is a map."""

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.passes: list[int] = []

    def forward(self, data_dict: dict[str, Tensor], inference: bool = False) -> dict[str, Tensor]:
        image = data_dict["image"]
        self.passes.append(len(image))
        own = image.abs().mean((1, 2, 3)).clamp(0, 1)
        return {"prob": self.weight * own + (1 - self.weight) * own.mean(), "feat": image[:, :, ::4, ::4]}


def texture(weight: float = 0.5) -> AbstractDetector:
    return cast(AbstractDetector, Texture(weight))


def settings(**keys: object) -> DetectorConfig:
    return config(**({"test_batchSize": 10, "resolution": 24} | keys))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    file = tmp_path_factory.mktemp("suite") / "mine.yaml"
    file.write_text(
        "draws: 2\nperturbations:\n  gaussian_noise: [{variance: 400}]\n  jpeg: [{quality: 60}, {quality: 5}]"
    )
    made = load_suite(str(file))
    assert list(made.variants) == VIEWS
    return made


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """21 faces of three videos, one of them broken, a frame without a face and a clip that cannot be read."""
    store = tmp_path_factory.mktemp("data") / "D_lmdb"
    writer, rng, made = FaceStoreWriter(store, META), np.random.default_rng(0), []
    for video in range(3):
        found = [row(f"v{video}", frame, label=video % 2) for frame in range(FACES // 3)]
        images = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in found]
        values = {
            entry["key"]: cv2.imencode(".png", image)[1].tobytes() for entry, image in zip(found, images, strict=True)
        }
        writer.add(f"v{video}", values | ({BROKEN: b"no image"} if BROKEN in values else {}), [])
        made += found
    writer.close()
    made += [row("v0", 90, "no face"), row("gone", -1, "unreadable media: not a video")]
    return pd.DataFrame(made).assign(store_path=str(store))


def evaluate(group: Group, rows: pd.DataFrame, out: Path, suite: Suite, workers: int = 0) -> Scored:
    """Scores and features."""
    features = out.with_name("features.parquet")
    return score(texture(), rows, out, settings(), CPU, suite=suite, features=features, workers=workers, group=group)


@pytest.fixture(scope="module")
def whole(rows: pd.DataFrame, suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "perturbed.parquet"
    counts = evaluate(ALONE, rows, out, suite)
    assert counts.skipped == {"no face": 1, "unreadable media: not a video": 1, BROKEN_VALUE: 1}
    assert (counts.videos, counts.frames, counts.faceless_frames) == (4, FACES + 1, 2)
    return out


def files(out: Path) -> tuple[bytes, bytes]:
    assert sorted(path.name for path in out.parent.iterdir()) == ["features.parquet", "perturbed.parquet"]
    return out.read_bytes(), out.with_name("features.parquet").read_bytes()


def test_each_view_is_scored_as_its_pixels_say(rows: pd.DataFrame, suite: Suite, whole: Path):
    table = read_scores(whole)
    assert len(table) == (FACES + 2) * len(VIEWS)
    variants = list(zip(table["perturbation"], table["level"], table["draw"], strict=True))
    assert variants == VIEWS * (FACES + 2)
    faces = FaceSet(rows[rows["skip"] == ""])
    own = {}
    for index, entry in faces.rows.iterrows():
        if entry["key"] != BROKEN:
            image = faces.read(index).image
            views = [suite.perturb(image, entry["key"], variant) for variant in suite.variants]
            inputs = [network_input(view, 24, (0, 0, 0), (1, 1, 1)) for view in views]
            own[entry["video_id"], entry["frame"]] = [float(np.abs(given).mean()) for given in inputs]
    names = list(own)
    found = table.dropna(subset="score")
    assert list(dict.fromkeys(zip(found["video_id"], found["frame"], strict=True))) == names
    # Two faces fill a batch of ten views; in the second a broken face leaves one alone.
    pairs = [names[start : start + 2] for start in range(0, 8, 2)] + [[names[8]]]
    batches = pairs + [names[start : start + 2] for start in range(9, len(names), 2)]
    expected = np.concatenate(
        [
            0.5 * np.ravel([own[name] for name in batch]) + 0.5 * np.mean([own[name] for name in batch])
            for batch in batches
        ]
    )
    np.testing.assert_allclose(found["score"], expected, atol=1e-5)


def test_faces_without_a_score_have_a_row_for_each_view(whole: Path):
    without = read_scores(whole).loc[lambda table: table["score"].isna()]
    assert (without["face"] == -1).all()
    for _, condition in without.groupby(["perturbation", "level", "draw"], observed=True):
        assert sorted(zip(condition["video_id"], condition["frame"], strict=True)) == [
            ("D/real/gone", -1),
            ("D/real/v0", 90),
            ("D/real/v1", 2),
        ]


def test_each_score_has_its_feature_pooled_over_space(rows: pd.DataFrame, suite: Suite, whole: Path):
    features, scored = read_features(whole.with_name("features.parquet")), read_scores(whole).dropna(subset="score")
    assert (
        features.rows.equals(scored[IDENTITY.names].reset_index(drop=True))
        or (features.rows.astype(str).to_numpy() == scored[IDENTITY.names].astype(str).to_numpy()).all()
    )
    faces = FaceSet(rows[rows["skip"] == ""])
    view = suite.perturb(faces.read(4).image, faces.key(4), suite.variants[2])
    expected = network_input(view, 24, (0, 0, 0), (1, 1, 1))[:, ::4, ::4].mean((1, 2))
    np.testing.assert_allclose(features.values[4 * len(VIEWS) + 2], expected, rtol=1e-5)


class Counting(FaceSet):
    """Counts reads."""

    reads = 0

    def read(self, index: int) -> Sample:
        self.reads += 1
        return super().read(index)


def test_a_crop_is_read_and_decoded_once_for_all_its_views(rows: pd.DataFrame, suite: Suite, monkeypatch):
    decoded = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: decoded.append(len(given[0])) or decode(*given))
    plain = suite.config.model_copy(update={"perturbations": {"gaussian_noise": [{"variance": 400}]}})
    noise = Suite("noise", plain, {"gaussian_noise": suite.levels["gaussian_noise"]})  # JPEG would decode as well
    faces = Counting(rows[rows["skip"] == ""])
    views = sum(batch.scores.size for batch in predict(texture(), faces, settings(), CPU, suite=noise))
    assert views == (FACES - 1) * 3
    assert faces.reads == FACES
    assert len(decoded) == FACES


def test_the_first_view_has_the_score_of_the_clean_pass(rows: pd.DataFrame, suite: Suite, tmp_path: Path):
    alone = cast(AbstractDetector, Texture(1.0))
    score(alone, rows, tmp_path / "clean.parquet", settings(), CPU)
    score(alone, rows, tmp_path / "perturbed.parquet", settings(), CPU, suite=suite)
    clean, perturbed = read_scores(tmp_path / "clean.parquet"), read_scores(tmp_path / "perturbed.parquet")
    first = perturbed[perturbed["perturbation"] == "none"].reset_index(drop=True)
    pd.testing.assert_frame_equal(clean.astype({"perturbation": str}), first.astype({"perturbation": str}))
    assert not (tmp_path / "features.parquet").exists()


@pytest.mark.parametrize(
    ("most", "faces", "passes"), [(10, 2, [10]), (14, 2, [10]), (15, 3, [15]), (5, 1, [5]), (2, 1, [2, 2, 1])]
)
def test_a_batch_holds_whole_faces_and_a_pass_no_more_than_it_may(
    rows, suite, most: int, faces: int, passes: list[int]
):
    model, settled = texture(), settings(test_batchSize=most)
    assert {len(batch) for batch in batches_of(range(30), settled, suite)} == {faces}
    readable = FaceSet(rows[rows["skip"] == ""][: faces * 2])
    assert [batch.scores.shape for batch in predict(model, readable, settled, CPU, suite=suite)] == [(faces, 5)] * 2
    assert cast(Texture, model).passes == passes * 2


def test_workers_give_the_same_files(rows, suite, whole: Path, tmp_path: Path):
    evaluate(ALONE, rows, tmp_path / "perturbed.parquet", suite, workers=2)
    assert files(tmp_path / "perturbed.parquet") == files(whole)


def test_processes_give_the_same_files(rows, suite, whole: Path, tmp_path: Path):
    out = tmp_path / "many" / "perturbed.parquet"
    assert run_all(evaluate, rows, out, suite, size=3) == [0] * 3
    assert files(out) == files(whole)


def test_a_pass_killed_at_any_moments_gives_the_same_files(rows, suite, whole: Path, tmp_path: Path):
    out = tmp_path / "killed" / "perturbed.parquet"
    moments = random_moments(seed=2, count=3, longest=0.05)
    run_killed(evaluate, rows, out, suite, size=2, moments=moments, begun=out.parent)
    assert files(out) == files(whole)


def test_finished_chunks_are_used_again_with_their_features(rows, suite, whole: Path, tmp_path: Path):
    out = tmp_path / "again" / "perturbed.parquet"
    given = {"config": settings(), "device": CPU, "suite": suite, "features": out.with_name("features.parquet")}
    with pytest.raises(KilledError):
        score(texture(), rows, out, **given, on_progress=killed_after(14))
    model = texture()
    score(model, rows, out, **given)
    assert len(cast(Texture, model).passes) == 11 - 6
    assert files(out) == files(whole)


def test_chunks_of_another_suite_or_without_features_are_not_used(rows, suite, whole: Path, tmp_path: Path):
    out, other = tmp_path / "a" / "perturbed.parquet", load_suite("prodet_table4")
    for given in ({"suite": other}, {"suite": suite}, {}):
        with pytest.raises(KilledError):
            score(texture(), rows, out, settings(), CPU, on_progress=killed_after(14), **given)
    evaluate(ALONE, rows, out, suite)
    assert files(out) == files(whole)


def test_chunks_of_crops_of_another_predictor_are_not_used(rows, tmp_path: Path):
    store = tmp_path / "D_lmdb"
    shutil.copytree(rows["store_path"][0], store)
    moved, keys = rows.assign(store_path=str(store)), rows["key"][rows["skip"] == ""].tolist()
    with pytest.raises(KilledError):
        score(texture(), moved, tmp_path / "a.parquet", settings(), CPU, on_progress=killed_after(14))
    gc.collect()  # a store that is read somewhere cannot be made anew
    shutil.rmtree(store)
    writer = FaceStoreWriter(store, META | {"predictor_sha256": "another"})
    grey = cv2.imencode(".png", np.full((32, 32, 3), 90, np.uint8))[1].tobytes()
    writer.add("all", dict.fromkeys(keys, grey), [])
    writer.close()
    for name in ("a", "anew"):
        score(texture(), moved, tmp_path / f"{name}.parquet", settings(), CPU)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "anew.parquet").read_bytes()


@pytest.mark.parametrize("again", [{"codec": "x265"}, {"lost": ["D/frames/v0/001.png"]}], ids=["codec", "lost"])
def test_chunks_of_crops_that_were_made_otherwise_are_not_used(rows, tmp_path: Path, again: dict):
    file, store = tmp_path / "whole_clips.yaml", tmp_path / "D_lmdb"
    file.write_text("on: frame\nperturbations: {h264: [{crf: 40}]}")
    frames = load_suite(str(file))
    shutil.copytree(rows["store_path"][0], store)
    moved, keys = rows.assign(store_path=str(store)), rows["key"][rows["skip"] == ""].tolist()
    store_views(store, frames, keys, grey=200)
    with pytest.raises(KilledError):
        score(texture(), moved, tmp_path / "a.parquet", settings(), CPU, suite=frames, on_progress=killed_after(14))
    store_views(store, frames, keys, grey=90, **again)
    for name in ("a", "anew"):
        score(texture(), moved, tmp_path / f"{name}.parquet", settings(), CPU, suite=frames)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "anew.parquet").read_bytes()


def test_a_chunk_counts_only_with_all_of_its_features(tmp_path: Path):
    parts = Parts(tmp_path / "s.parquet", "key", with_features=True)
    scores, features = np.array([[0.5, 0.25], [np.nan, np.nan]]), np.arange(6, dtype=np.float32).reshape(2, 3)
    for number in range(4):
        parts.write(number, scores, [features[:1], features[1:]])
    parts.write(4, np.full((2, 2), np.nan), [])
    (parts.folder / "key" / "00001.npy").unlink()
    whole = (parts.folder / "key" / "00002.npy").read_bytes()
    (parts.folder / "key" / "00002.npy").write_bytes(whole[:-4])
    parts.write(3, scores, [features[:1]])
    assert list(parts.resume([(2, 2)] * 6)) == [0, 4]
    assert np.array_equal(parts.features(0), features)
    with pytest.raises(InputError, match="processes that write features together need one folder"):
        parts.features(1)


def test_a_set_without_a_readable_face_has_an_empty_feature_file(rows, suite, tmp_path: Path):
    broken = rows[(rows["key"] == BROKEN) | (rows["skip"] != "")]
    evaluate(ALONE, broken, tmp_path / "perturbed.parquet", suite)
    assert read_scores(tmp_path / "perturbed.parquet")["score"].isna().all()
    assert len(read_features(tmp_path / "features.parquet").rows) == 0


class Refusing(FaceSet):
    """Has nothing to read."""

    def read(self, index: int) -> Sample:
        raise InputError("no crops of perturbed frames; make them with 'assay perturb'")


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_missing_is_one_sentence_from_a_worker_too(rows: pd.DataFrame, suite: Suite, workers: int):
    with pytest.raises(InputError, match=r"^no crops of perturbed frames; make them with 'assay perturb'$"):
        list(predict(texture(), Refusing(rows[rows["skip"] == ""]), settings(), CPU, workers, suite=suite))


def test_a_feature_is_a_vector_or_a_map():
    feature = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert torch.equal(pooled(feature), feature.mean((2, 3)))
    assert torch.equal(pooled(feature[:, :, 0, 0].bfloat16()), feature[:, :, 0, 0])
    with pytest.raises(InputError, match=r"has shape \(2, 3, 4\)"):
        pooled(feature.flatten(2))
