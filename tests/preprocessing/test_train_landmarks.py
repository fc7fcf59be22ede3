"""Training the compact predictor: held-out identities, varied copies, errors in eye distances, and the model card."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from preprocessing.landmarks import COMPACT_MODEL, MIRROR, find_predictor, load_predictor, predict
from preprocessing.predictor_file import shrink
from preprocessing.train_landmarks import (
    Face,
    Settings,
    held_out_errors,
    identity,
    load_faces,
    main,
    read_labels,
    split_identities,
    train,
    vary,
)

TINY = Settings(cascades=2, trees=3, oversampling=2, feature_pool=20, test_splits=2)
REPORT = json.loads(COMPACT_MODEL.with_suffix(".json").read_text())
ERRORS = REPORT["mean error in % of the outer-eye distance"]
ASSETS = Path(__file__).resolve().parents[2].parent / "shared" / "assets" / "faces"


def noise_face(rng: np.random.Generator) -> Face:
    """Noise under random points: enough to train something that runs."""
    rgb = rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)
    return Face(rgb, rng.uniform(20, 80, (81, 2)).round(), dlib.rectangle(20, 20, 80, 80))


def test_no_identity_is_on_both_sides():
    names = [f"london/{look}/{i:03d}_{look}.jpg" for i in range(50) for look in ("03", "08")]
    names += [f"congress/A{i:03d}.jpg" for i in range(100)]
    trained, held_out = split_identities(names, 0.2, np.random.default_rng(0))
    assert sorted(trained + held_out) == sorted(names)
    assert not set(map(identity, trained)) & set(map(identity, held_out))
    assert sum(name.startswith("congress") for name in held_out) == 20
    assert sum(name.startswith("london") for name in held_out) == 20


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_move_with_the_picture(mirrored):
    points = np.stack([np.arange(81) % 9 * 20.0 + 80, np.arange(81) // 9 * 20.0 + 60], axis=1)
    for marked in (0, 40, 79):
        rgb = np.zeros((300, 320, 3), np.uint8)
        cv2.circle(rgb, [int(x) for x in points[marked]], 6, (255, 255, 255), -1)
        varied, moved = vary(rgb, points, mirrored, np.random.default_rng(marked))
        bright = varied[..., 0].astype(float)
        rows, columns = np.indices(bright.shape)
        centre = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()
        index = MIRROR[marked] if mirrored else marked  # MIRROR is its own inverse
        np.testing.assert_allclose(moved[index], centre, atol=0.3)


def test_errors_are_in_percent_of_the_outer_eye_distance():
    rng = np.random.default_rng(0)
    faces = [noise_face(rng) for _ in range(4)]
    predictor = train(faces, TINY, threads=1, rng=rng)
    face = faces[0]
    exact = predict(predictor, face.rgb, face.box).astype(float)
    eye_distance = np.linalg.norm(exact[36] - exact[45])
    moved = np.add(exact, [0, 3])  # all points 3 pixels off
    errors = held_out_errors(predictor, [Face(face.rgb, moved, face.box)])
    assert set(errors.values()) == {round(float(100 * 3 / eye_distance), 3)}


def trained_on_noise(path: Path, threads: int = 1) -> tuple[bytes, list[Face]]:
    rng = np.random.default_rng(1)
    faces = [noise_face(rng) for _ in range(4)]
    train(faces, TINY, threads, rng).save(str(path))
    return path.read_bytes(), faces


def test_shrinking_a_trained_predictor_saves_a_third_and_moves_no_point(tmp_path):
    path = tmp_path / "tiny.dat"
    content, faces = trained_on_noise(path)
    before = [predict(dlib.shape_predictor(str(path)), face.rgb, face.box) for face in faces]
    path.write_bytes(shrink(content))
    assert path.stat().st_size < 0.75 * len(content)
    after = [predict(dlib.shape_predictor(str(path)), face.rgb, face.box) for face in faces]
    assert np.abs(np.subtract(after, before)).max() <= 1  # coordinates are rounded to pixels


def test_shrinking_keeps_the_format_and_refuses_other_files(tmp_path):
    content, _ = trained_on_noise(tmp_path / "tiny.dat")
    assert shrink(content, 24) == content
    assert shrink(shrink(content)) == shrink(content)
    with pytest.raises(ValueError, match="not a dlib shape predictor"):
        shrink(b"something else")
    with pytest.raises(ValueError, match="it ends after"):
        shrink(content + b"\x01\x00")


@pytest.mark.parametrize("threads", [1, 2])
def test_training_repeats_itself(tmp_path, threads):
    first, _ = trained_on_noise(tmp_path / "tiny.dat", threads)
    second, _ = trained_on_noise(tmp_path / "tiny.dat", threads)
    assert first == second


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (None, "cannot be read"),
        ("[1, 2]", "cannot be read"),
        ('{"generated/0.jpg": [[0, 0]]}', "expected 81 points for each image in real_congress_pd"),
        ('{"real_congress_pd/a.jpg": [[0, 0]]}', "expected 81 points"),
        (json.dumps({"real_congress_pd/a.jpg": [[0, 0]] * 81}), r"a\.jpg, which the labels name, is missing"),
    ],
)
def test_bad_input_ends_with_exit_code_2(tmp_path, capsys, labels, sentence):
    path = tmp_path / "labels.json"
    if labels is not None:
        path.write_text(labels)
    with pytest.raises(SystemExit) as error:
        main(["--labels", str(path), "--images", str(tmp_path), "--out", str(tmp_path / "out.dat")])
    assert error.value.code == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_the_model_card_quotes_the_report():
    card = (COMPACT_MODEL.parent / "README.md").read_text()
    for group in ERRORS["photographs"]:
        row = f"| {group} | {ERRORS['photographs'][group]:.2f} | {ERRORS['turned and shrunk'][group]:.2f} |"
        assert row in card
    for key, value in REPORT["settings"].items():
        if key != "sources":
            assert f"`{key}` {value}" in card
    assert REPORT["bytes"] == COMPACT_MODEL.stat().st_size
    assert REPORT["settings"] == json.loads(json.dumps(asdict(Settings())))  # the defaults make the committed model


@pytest.mark.assets
@pytest.mark.skipif(not ASSETS.is_dir(), reason="needs ../shared/assets/faces, the labelled photographs")
def test_the_committed_model_is_as_good_as_its_report_says():
    settings = Settings()
    rng = np.random.default_rng(settings.seed)
    labels = read_labels(ASSETS / "landmarks81.json", settings.sources)
    _, held_out = split_identities(labels, settings.held_out, rng)
    faces, _ = load_faces(ASSETS, labels, held_out, 0, rng)
    errors = held_out_errors(load_predictor(find_predictor(environ={})), faces)
    assert len(faces) == REPORT["faces"]["held out, photographs"]
    assert errors == pytest.approx(ERRORS["photographs"], abs=0.01)
