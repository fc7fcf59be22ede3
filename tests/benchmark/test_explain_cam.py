"""`assay explain cam`: which faces are shown, what stands beside them, and that the maps are the detectors'."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import lmdb
import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.explain.cam import cam_figure, cam_sheet
from benchmark.explain.faces import chosen_faces
from benchmark.loading import load_detector
from config.load import load_config, to_yaml
from config.pseudofake import PseudoFakeConfig
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights
from evaluation.gradcam import grad_cam
from evaluation.plots.explanations import heat_overlay
from evaluation.plots.style import jpeg_bytes
from evaluation.scoring import score_faces
from preprocessing.samples import FaceSet, open_faces
from preprocessing.store import mask_key
from tests.dfb import METHODS, write_ffpp
from tests.inputs import network_input
from training.pseudofakes.compose import make_pseudo_fake

NAME = "FaceForensics++"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_ffpp(folder)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two untrained detectors, the second with landmarks, which it makes nothing of."""
    folder, paths = tmp_path_factory.mktemp("weights"), []
    for seed in (1, 2):
        changes = ["resolution=64", f"manualSeed={seed}", f"with_landmark={str(seed == 2).lower()}"]
        config = load_config(DetectorConfig, "efficientnet_lite0", changes)
        paths.append(folder / f"of_seed_{seed}.safetensors")
        save_weights(build_detector(config, pretrained=False), paths[-1], {"config": to_yaml(config)})
    return paths


def test_a_row_for_each_face_a_column_for_each_detector_and_the_mask_of_fakes(data: Path, weights: list[Path]):
    sheet = cam_sheet(weights, NAME, data, per_class=1)
    assert sheet.rows["method"].tolist() == list(METHODS.values())
    assert sheet.rows["frame"].tolist() == [0, 0, 0]  # the first of two frames with a face: 0 and 12
    figure = sheet.figure()
    cells = np.array(figure.axes, dtype=object).reshape(3, 5)
    assert [cell.get_title().replace("\n", " ") for cell in cells[0, 1:]] == [
        "face",
        "efficientnet_lite0 (of_seed_1)",
        "efficientnet_lite0 (of_seed_2)",
        "mask",
    ]
    faces = FaceSet(sheet.rows, with_mask=True)
    for index, (_, face, first, second, mask) in enumerate(cells):
        stored = faces.read(index)
        np.testing.assert_array_equal(face.images[0].get_array(), stored.image)
        for cell, seen in zip((first, second), sheet.seen, strict=True):
            expected = heat_overlay(stored.image, seen.maps[index])
            np.testing.assert_array_equal(cell.images[0].get_array(), expected)
            assert [text.get_text() for text in cell.texts] == [f"{seen.prob[index]:.2f}"]
        if index:
            np.testing.assert_array_equal(mask.images[0].get_array(), stored.mask / 255)
        else:
            assert not mask.images


def test_maps_and_scores_are_those_of_the_detector_on_the_stored_face(data: Path, weights: list[Path]):
    sheet = cam_sheet(weights, NAME, data)
    faces = FaceSet(sheet.rows, with_landmark=True)
    for path, seen in zip(weights, sheet.seen, strict=True):
        trained = load_detector(path, None, (), "cpu")
        config = trained.config
        inputs = [network_input(faces.read(i).image, 64, config.mean, config.std) for i in range(len(faces))]
        maps, _ = grad_cam(trained.detector, torch.from_numpy(np.stack(inputs)))
        np.testing.assert_allclose(seen.maps, maps, atol=1e-4)
        _, scores = score_faces(trained.detector, faces, config, trained.device)
        np.testing.assert_allclose(seen.prob, scores, atol=1e-5)


def test_weights_in_a_run_folder_are_called_by_it(data: Path, weights: list[Path], tmp_path: Path):
    run = tmp_path / "efficientnet_lite0-1a2b3c4d5e"
    run.mkdir()
    shutil.copy(weights[0], run / "best.safetensors")
    (run / "config.yaml").write_text(to_yaml(load_detector(weights[0], None, (), "cpu").config))
    names = [one.name for one in cam_sheet([run, run / "best.safetensors"], NAME, data, per_class=1).seen]
    assert names == ["efficientnet_lite0-1a2b3c4d5e", "efficientnet_lite0-1a2b3c4d5e best"]


def test_faces_are_drawn_by_class_and_seed():
    kinds = [("swap", 1, "A"), ("real", 0, "B"), ("warp", 1, "C"), ("real", 0, "D")]
    rows = pd.DataFrame(
        [
            {"video_id": f"{name}{number}", "frame": frame, "label": label, "method": method}
            for method, label, name in kinds
            for number in range(6)
            for frame in (3, 5, 9, 11)
        ]
    )
    first = chosen_faces(rows, 2, 0)
    assert first["method"].tolist() == ["real"] * 2 + ["swap"] * 2 + ["warp"] * 2
    assert set(first["frame"]) == {5}  # of four frames
    assert first.equals(chosen_faces(rows, 2, 0))
    assert [name[-1] for name in first["video_id"][2:4]] == [name[-1] for name in first["video_id"][4:6]]
    assert len({tuple(chosen_faces(rows, 2, seed)["video_id"]) for seed in range(8)}) > 4
    assert len(chosen_faces(rows, 99, 0)) == 3 * 6 + 6


def test_the_command_writes_the_picture_and_prints_the_scores(assay, data: Path, weights: list[Path], tmp_path: Path):
    out, options = tmp_path / "new" / "cam.jpg", ("--test", NAME, "--data", data, "--device", "cpu", "--per-class", 1)
    answer = assay("explain", "cam", *weights, *options, "--out", out)
    assert answer.code == 0, answer.err
    assert out.read_bytes().startswith(b"\xff\xd8\xff")
    sheet = cam_sheet(weights, NAME, data, per_class=1)
    assert answer.out.endswith(f"{out}\n")
    for seen in sheet.seen:
        assert all(f"{score:.4f}" in answer.out for score in seen.prob)
    assert "Deepfakes: 002_009, frame 0" in answer.out
    again = tmp_path / "again.jpg"
    assert assay("explain", "cam", *weights, *options, "--out", again).code == 0
    assert again.read_bytes() == out.read_bytes()
    assert jpeg_bytes(cam_figure(weights, NAME, data, per_class=1)) == out.read_bytes()


def test_the_caption_says_how_to_read_it(data: Path, weights: list[Path]):
    caption = cam_sheet(weights[:1], NAME, data, per_class=1, seed=5).caption()
    assert f"Faces: {NAME}, split test, drawn with seed 5" in caption
    assert "each map is divided by its own maximum" in caption
    assert "cells of a map: efficientnet_lite0 (of_seed_1) 2 x 2" in caption


def test_a_fake_without_a_mask_is_shown_without(data: Path, weights: list[Path], tmp_path: Path):
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    rows = open_faces(copied, [NAME], "test").rows
    fakes = rows[rows["method"] == "Deepfakes"]
    with lmdb.open(fakes["store_path"].iloc[0]) as store, store.begin(write=True) as txn:
        for key in fakes["key"]:
            assert txn.delete(mask_key(key).encode())
    sheet = cam_sheet(weights[:1], NAME, copied, per_class=1)
    assert [face.mask is not None for face in sheet.seen[0].faces] == [False, False, True]
    assert len(sheet.figure().axes) == 3 * 4


def test_without_any_mask_there_is_no_such_column(data: Path, weights: list[Path]):
    sheet = cam_sheet(weights[:1], NAME, data, per_class=1)
    faces = [replace(face, mask=None) for face in sheet.seen[0].faces]
    bare = replace(sheet, seen=[replace(sheet.seen[0], faces=faces)])
    assert len(bare.figure().axes) == 3 * 3


def test_a_face_that_is_not_in_its_store_is_named(assay, data: Path, weights: list[Path], tmp_path: Path):
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    row = open_faces(copied, [NAME], "test").rows.iloc[0]
    with lmdb.open(row["store_path"]) as store, store.begin(write=True) as txn:
        assert txn.delete(row["key"].encode())
    answer = assay("explain", "cam", weights[0], "--test", NAME, "--data", copied, "--device", "cpu")
    assert answer.code == 2
    assert f"no value under '{row['key']}'" in answer.err


def test_a_fake_of_each_real_face_stands_with_its_mask_after_the_reals(data: Path, weights: list[Path]):
    """Made here again of the stored face, and scored by the network alone; FF-real has one test video."""
    sheet = cam_sheet(weights, NAME, data, per_class=1, seed=3, pseudofake="sbi")
    assert sheet.rows["method"].tolist() == ["real", "sbi", *list(METHODS.values())[1:]]
    assert sheet.rows["video_id"][0] == sheet.rows["video_id"][1]
    real = FaceSet(sheet.rows, with_landmark=True).read(0)
    rng = np.random.default_rng([3, 0])
    made = make_pseudo_fake(real.image, real.landmark, load_config(PseudoFakeConfig, "sbi"), rng)
    for path, seen in zip(weights, sheet.seen, strict=True):
        np.testing.assert_array_equal(seen.faces[1].image, made.fake)
        np.testing.assert_allclose(seen.faces[1].mask / 255, made.mask, atol=0.5 / 255)
        trained = load_detector(path, None, (), "cpu")
        image = network_input(made.fake, 64, trained.config.mean, trained.config.std)
        with torch.no_grad():
            predicted = trained.detector.eval()({"image": torch.from_numpy(image[None])}, inference=True)
        assert seen.prob[1] == pytest.approx(predicted["prob"].item(), abs=1e-5)
    plain = cam_sheet(weights, NAME, data, per_class=1, seed=3)
    assert sheet.table().values[0] == plain.table().values[0]
    assert sheet.table().values[2:] == plain.table().values[1:]
    mask = np.array(sheet.figure().axes, dtype=object).reshape(4, 5)[1, -1]
    np.testing.assert_array_equal(mask.images[0].get_array(), sheet.seen[0].faces[1].mask / 255)


def test_the_caption_names_what_made_the_reconstructions(data: Path, weights: list[Path], tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: fia_usa\nreconstruction: {autoencoder: 1.0, super_resolution: 0.0}\n")
    caption = cam_sheet(weights[:1], NAME, data, per_class=1, pseudofake=str(mine)).caption()
    assert f"Faces: {NAME}, split test, drawn with seed 0; autoencoder: small autoencoder, a substitute" in caption


@pytest.mark.parametrize(
    ("composition", "message"),
    [
        ("sib", "did you mean 'sbi'"),
        ("cbi", "of 1 faces there are 0 of others"),
        ("adfd", "--pseudofake adfd: fakes are made of real faces, and there are none"),
    ],
)
def test_fakes_that_cannot_be_made_are_refused(
    assay, data: Path, weights: list[Path], tmp_path: Path, monkeypatch, composition: str, message: str
):
    if composition == "adfd":
        monkeypatch.setattr("benchmark.explain.cam.open_faces", partial(open_faces, labels=(1,)))
    options = ("--test", NAME, "--data", data, "--device", "cpu", "--pseudofake", composition)
    answer = assay("explain", "cam", weights[0], *options, "--out", tmp_path / "cam.png")
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_a_wrong_suffix_is_refused_before_any_work(assay, tmp_path: Path):
    answer = assay("explain", "cam", tmp_path / "none", "--test", NAME, "--out", "cam.gif")
    assert (answer.code, answer.err.strip()) == (
        2,
        "assay: cam.gif: a figure cannot be written as '.gif'; valid are: .png, .jpg, .svg",
    )
