"""`assay explain organisation`: of which images tuples are, what detectors make of them, and what is drawn and said."""

from dataclasses import asdict
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest
import torch

from benchmark.explain.organisation import draw_organisation, organisation_table, read_organisation
from benchmark.explain.tuples import draw_tuples, open_tuples
from benchmark.loading import load_detector
from config.errors import InputError
from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights
from evaluation.organisation import organisation
from preprocessing.manifest import Row, write_manifest
from preprocessing.pipeline import manifest_path, store_name
from preprocessing.samples import FaceSet, open_faces
from preprocessing.store import FaceStoreWriter, encode_landmarks, landmarks_key
from tests.dfb import write_ffpp
from tests.inputs import network_input
from tests.training.portraits import PortraitFaces, make_rows

NAME, PEOPLE, FRAMES = "Portraits", 4, 2
SIDE = 64


def write_portraits(folder: Path, has_targets: bool = True) -> None:
    """Test faces of four people and a deepfake of each, in frames 0 and 10, and 1 and 11."""
    portraits = PortraitFaces(make_rows(PEOPLE, FRAMES))
    manifest = manifest_path(folder, "dfb", NAME)
    meta = {"format": 1, "dataset": NAME, "profile": {"name": "dfb"}, "parts": {}, "predictor": "one"}
    meta |= {"predictor_sha256": "ab", "encoder": "png"}
    rows, writer = [], FaceStoreWriter(manifest.parent / store_name(NAME), meta)
    for index, (label, video, target, source, frame, level) in enumerate(portraits.rows.itertuples(index=False)):
        key = f"{video}/frames/{frame:03d}.png"
        face, kind = portraits.read(index), "fake" if label else "real"
        image = cv2.imencode(".png", cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR))[1].tobytes()
        writer.add(f"{video}/{frame}", {key: image, landmarks_key(key): encode_landmarks(face.landmark)}, [])
        where = {"store": store_name(NAME), "key": key, "frame": frame, "face": 0}
        about = {
            "identity_target": target if has_targets else "",
            "identity_source": source,
            "compression": level,
            "media": "video",
        }
        rows.append(
            Row(NAME, "test", label, kind, kind, video_id=video, source_path=video, sha1="", **about, **where)  # type: ignore[arg-type]
        )
    writer.close()
    write_manifest(manifest, map(asdict, rows), meta)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_portraits(folder)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two untrained detectors, the second with features of two numbers and smaller images."""
    folder, paths = tmp_path_factory.mktemp("weights"), []
    for name, side in (("vht", SIDE), ("vht/toy", 48)):
        light = ["backbone_name=efficientnet_lite0", "pretrained=null", f"resolution={side}", "manualSeed=1"]
        config = load_config(DetectorConfig, name, light)
        torch.manual_seed(1)
        paths.append(folder / f"{name.replace('/', '_')}.safetensors")
        save_weights(build_detector(config, pretrained=False), paths[-1], {"config": to_yaml(config)})
    return paths


def features_of(weights: Path, faces: FaceSet) -> np.ndarray:
    """(N, D): the mean over the map of each stored face, one by one."""
    trained = load_detector(weights, None, (), "cpu")
    config, features = trained.config, []
    for index in range(len(faces)):
        image = network_input(faces.read(index).image, config.resolution, config.mean, config.std)
        with torch.no_grad():
            feature = trained.detector.eval()({"image": torch.from_numpy(image)[None]}, inference=True)["feat"]
        features.append(feature.mean((2, 3))[0].numpy())
    return np.stack(features)


def test_a_tuple_is_a_deepfake_its_real_face_and_two_fakes_of_that(data: Path, weights: list[Path], tmp_path: Path):
    plain = tmp_path / "plain.yaml"
    plain.write_text("base: sbi\nchanges: {colour: false, frequency: false}\nratios: [1]\n")
    found = read_organisation(weights, NAME, data, pseudofake=str(plain))
    rows = open_faces(data, [NAME], "test").rows
    fakes = rows[rows["label"] == 1]
    reals = rows[rows["label"] == 0].set_index(["identity_target", "frame"])
    beside = reals.loc[[(one.identity_target, one.frame - 1) for one in fakes.itertuples()]].reset_index()
    assert found.videos.tolist() == beside["video_id"].tolist()
    for path, seen in zip(weights, found.seen, strict=True):
        assert seen.features.shape[:2] == (PEOPLE * FRAMES, 4)
        real, sbi, cbi, deepfake = seen.features.transpose(1, 0, 2)
        np.testing.assert_allclose(deepfake, features_of(path, FaceSet(fakes)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(real, features_of(path, FaceSet(beside)), rtol=1e-3, atol=1e-4)
        assert all(np.abs(one - real).max(axis=1).min() > 1e-3 for one in (sbi, cbi))
        assert np.abs(sbi - cbi).max(axis=1).min() > 1e-3
        assert seen.measured == organisation(seen.features, found.videos)
    assert found.seen[1].features.shape[2] == 2
    assert found.kinds == ("real", "plain", "CBI", "deepfake")


def test_all_detectors_see_the_same_images_which_a_seed_decides(data: Path, weights: list[Path]):
    twice = read_organisation([weights[1], weights[1]], NAME, data, most=5)
    first, second = (one.features for one in twice.seen)
    assert first.shape == (5, 4, 2)
    np.testing.assert_array_equal(first, second)
    whole, other = (read_organisation([weights[1]], NAME, data, seed=seed).seen[0].features for seed in (0, 1))
    # A tuple's images do not depend on which others are there.
    assert all(np.abs(whole - one).max(axis=(1, 2)).min() < 1e-4 for one in first)
    np.testing.assert_allclose(other[:, 3], whole[:, 3], atol=1e-5)
    assert (np.abs(other - whole).max(axis=2) > 1e-4)[:, 1:3].all()


def test_features_of_two_numbers_are_drawn_as_they_are_unless_by_tsne(data: Path, weights: list[Path]):
    found = read_organisation(weights, NAME, data)
    large, toy = draw_organisation(found).axes
    drawn = np.stack([part.get_offsets() for part in toy.collections], axis=1)
    np.testing.assert_allclose(drawn, found.seen[1].features, rtol=1e-6)
    assert [str(part.get_label()) for part in large.collections] == ["real", "SBI", "CBI", "deepfake"]
    caption = draw_organisation(found).get_supxlabel().replace("\n", " ")
    assert f"{NAME}, split test: 8 tuples, drawn with seed 0" in caption
    assert "perplexity 10.3333, seed 0" in caption
    assert "Panels with a scale show the features, which have two numbers, as they are." in caption
    _, by_tsne = draw_organisation(found, "tsne").axes
    moved = np.stack([part.get_offsets() for part in by_tsne.collections], axis=1)
    assert moved.shape == drawn.shape
    assert np.abs(moved - drawn).max() > 1
    assert "as they are" not in draw_organisation(found, "tsne").get_supxlabel()


def test_tuples_are_shown_row_by_row_as_detectors_see_them(assay, data: Path, tmp_path: Path):
    options = {"compression": "c23", "split": "test", "seed": 3, "profile": "dfb", "pseudofake": "sbi"}
    found = open_tuples(NAME, data, most=3, **options)
    figure = draw_tuples(found)
    drawn = [axes.images[0].get_array() for part in figure.subfigs for axes in part.axes if axes.images]
    faces = open_faces(data, [NAME], "test")
    assert len(drawn) == 3 * 4
    for number, index in enumerate(found.chosen.tolist()):
        real, sbi, cbi, deepfake = shown = [face.image for face in found.images(number)]
        assert all(np.array_equal(one, there) for one, there in zip(shown, drawn[4 * number :], strict=False))
        assert np.array_equal(deepfake, faces.read(index).image)
        for fake in (sbi, cbi):
            assert 0.02 < (fake != real).any(axis=2).mean() < 0.9, "blended in a part of the real face"
    assert found.kinds == ("real", "SBI", "CBI", "deepfake")
    answer = assay("explain", "tuples", "--test", NAME, "--data", data, "--out", tmp_path / "tuples.png")
    assert answer.code == 0, answer.err
    assert (tmp_path / "tuples.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_writes_the_picture_and_prints_the_numbers(assay, data: Path, weights: list[Path], tmp_path: Path):
    out, options = tmp_path / "new" / "organisation.png", ("--test", NAME, "--data", data, "--device", "cpu")
    answer = assay("explain", "organisation", *weights, *options, "--seed", 3, "--most", 6, "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_bytes().startswith(b"\x89PNG")
    found = read_organisation(weights, NAME, data, seed=3, most=6)
    table = organisation_table(found)
    for row, one in zip(table.values, found.seen, strict=True):
        measured = one.measured
        assert row == (measured.silhouette, *measured.positions[1:3], measured.in_order, 6, one.features.shape[2])
        assert all(f"{value:.4f}" in answer.out for value in row[:4])
    assert "by chance 0.0417" in answer.out
    assert "vht: efficientnet_lite0 at 48 pixels" in answer.out
    first = out.read_bytes()
    again = assay("explain", "organisation", *weights, *options, "--seed", 3, "--most", 6, "--out", out)
    assert (again.out, out.read_bytes()) == (answer.out, first)


def test_a_set_without_partners_or_targets_is_refused_in_the_recipes_words(assay, weights: list[Path], tmp_path: Path):
    write_ffpp(tmp_path / "one")  # a single test video of each class
    write_portraits(tmp_path / "none", has_targets=False)
    command = ("explain", "organisation", weights[1], "--device", "cpu", "--out", tmp_path / "o.png")
    answer = assay(*command, "--test", "FaceForensics++", "--data", tmp_path / "one")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "a partner is one of the 3 nearest faces of other videos" in answer.err
    answer = assay(*command, "--test", NAME, "--data", tmp_path / "none")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "needs fakes whose target's own video" in answer.err


def test_a_face_that_is_not_in_its_store_is_named(weights: list[Path], tmp_path: Path):
    write_portraits(tmp_path)
    row = open_faces(tmp_path, [NAME], "test").rows.query("label == 1").iloc[0]
    with lmdb.open(row["store_path"]) as store, store.begin(write=True) as txn:
        assert txn.delete(row["key"].encode())
    message = f"no tuple can be made for frame {row['frame']} of video '{row['video_id']}': .*no value under"
    with pytest.raises(InputError, match=message):
        read_organisation(weights[1:], NAME, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layout", "tsen"], "unknown layout 'tsen'; did you mean 'tsne'"),
        (["--out", "o.gif"], "a figure cannot be written as '.gif'"),
    ],
)
def test_a_mistake_is_refused_before_any_work(assay, tmp_path: Path, options: list[str], message: str):
    answer = assay("explain", "organisation", tmp_path / "none", "--test", NAME, *options)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert message in answer.err
