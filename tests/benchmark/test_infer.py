"""`assay infer`: the scores of the road for single files, and an answer to whatever file it is given."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.image import imread

from config.load import load_config, to_yaml
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights, weights_sha256
from evaluation.metrics import group_scores
from evaluation.scores import ScoreRecord, read_scores
from tests.faces import still
from tests.media import write_video

FACELESS = (3, 4)  # frames of the clip
FRAMES = 8


def two_people() -> np.ndarray:
    """The larger one on the right, from pixel 200 on."""
    small = cv2.copyMakeBorder(cv2.resize(still(3), (200, 200)), 50, 50, 0, 0, cv2.BORDER_REFLECT)
    return np.hstack([small, cv2.resize(still(0), (300, 300))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, and files of every kind that a user may give."""
    path = tmp_path_factory.mktemp("infer")
    config = load_config(DetectorConfig, "efficientnet_lite0", ["resolution=96", "test_batchSize=3"])
    save_weights(build_detector(config), path / "weights.safetensors", {"config": to_yaml(config)})
    person = cv2.resize(still(0), (240, 240))
    moving = [cv2.copyMakeBorder(person, 30, 50, 20 + 3 * i, 60 - 3 * i, cv2.BORDER_REFLECT) for i in range(FRAMES)]
    for index in FACELESS:
        moving[index] = np.full_like(moving[index], 90)
    write_video(path / "clip.mp4", np.stack(moving))
    cv2.imwrite(str(path / "two.png"), two_people())
    cv2.imwrite(str(path / "nobody.png"), np.zeros((80, 120, 3), np.uint8))
    write_video(path / "grey.mp4", [0, 120, 240])
    (path / "text.mp4").write_text("This is no video.")
    (path / "text.png").write_text("This is no image.")
    (path / "empty.mp4").write_bytes(b"")
    (path / "notes.txt").write_text("a face")
    return path


@pytest.fixture
def infer(assay, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Run `assay infer` beside the files."""
    monkeypatch.chdir(folder)
    return lambda *arguments: assay("infer", *arguments, "--weights", "weights.safetensors")


def test_a_clip_has_the_scores_of_preprocess_and_evaluate(assay, infer, folder: Path, tmp_path: Path):
    root, data = tmp_path / "root", tmp_path / "data"
    for name in ("real", "fake"):
        (root / "test" / name).mkdir(parents=True)
    (root / "test" / "fake" / "clip.mp4").write_bytes((folder / "clip.mp4").read_bytes())
    cv2.imwrite(str(root / "test" / "real" / "other.png"), still(1))
    common = ["--data", data, "--workers", 0]
    assert assay("preprocess", "custom", "--root", root, "--data", data, "--workers", 1, "--frames", FRAMES).code == 0
    weights = folder / "weights.safetensors"
    evaluated = assay("evaluate", weights, "--test", "custom", *common, "--precision", "fp32", "--out", tmp_path)
    assert evaluated.code == 0
    table = read_scores(tmp_path / "custom" / "scores.parquet")
    expected = table[table["label"] == 1].sort_values("frame")

    (answer,) = json.loads(infer("clip.mp4", "--largest-face", "--frames", FRAMES).out)
    scores = [np.nan if frame["score"] is None else frame["score"] for frame in answer["frames"]]
    assert [frame["frame"] for frame in answer["frames"]] == expected["frame"].to_list()
    np.testing.assert_allclose(scores, expected["score"], atol=1e-6)
    assert np.isnan(scores).sum() == len(FACELESS)
    assert answer["score"] == pytest.approx(group_scores(expected).video_scores[0], abs=1e-6)
    assert answer["skipped"] == {"no face": len(FACELESS)}


def test_a_clip_has_the_scores_of_preprocess_and_evaluate_with_loose_crops_too(
    assay, infer, folder: Path, tmp_path: Path
):
    root, data = tmp_path / "root", tmp_path / "data"
    for name in ("real", "fake"):
        (root / "test" / name).mkdir(parents=True)
    cv2.imwrite(str(root / "test" / "fake" / "two.png"), two_people())
    cv2.imwrite(str(root / "test" / "fake" / "other.png"), still(2))
    for number in (4, 5):
        cv2.imwrite(str(root / "test" / "real" / f"{number}.png"), still(number))
    cv2.imwrite(str(root / "test" / "real" / "nobody.png"), np.zeros((80, 120, 3), np.uint8))
    sbi = ["--data", data, "--profile", "sbi"]
    assert assay("preprocess", "custom", "--root", root, *sbi, "--workers", 1).code == 0
    weights = ["evaluate", folder / "weights.safetensors", "--precision", "fp32", "--workers", 0]
    evaluated = assay(*weights, "--test", "custom", *sbi, "--out", tmp_path)
    assert evaluated.code == 0
    assert "custom: 1 video without a face scored 0.5" in evaluated.out
    path = tmp_path / "custom" / "scores.parquet"
    record, table = ScoreRecord.read(ScoreRecord.beside(path)), read_scores(path)
    assert record.faceless_score == 0.5
    assert "boxes: dlib, with a margin of 12.5% of their side; all faces of a frame" in record.notes
    assert json.loads(path.with_name("metrics.json").read_text())["metrics"]["n_videos"] == 5
    board = assay("table", tmp_path, "--metric", "video_auc", "--format", "md")
    assert "custom: 1 video without a face scored 0.5" in board.out

    answer = infer("two.png", "nobody.png", "--profile", "sbi")
    two, nobody = json.loads(answer.out)
    expected = table[table["video_id"].str.endswith("two")].sort_values("face")["score"]
    np.testing.assert_allclose([face["score"] for face in two["frames"][0]["faces"]], expected, atol=1e-6)
    assert two["score"] == pytest.approx(expected.max(), abs=1e-6)
    assert any(note.startswith("boxes: dlib, with a margin of 12.5%") for note in two["notes"])
    assert nobody["score"] is None


def test_a_detector_file_that_is_none_is_refused(assay, infer, folder: Path, tmp_path: Path):
    answer = infer("two.png", "--profile", "sbi", "--detector-file", "notes.txt")
    assert answer.code == 2
    assert "face detector notes.txt: expected a YuNet (.onnx) or a RetinaFace (.pth)" in answer.err
    answer = infer("two.png", "--detector-file", "yunet.onnx")
    assert answer.code == 2
    assert "belong to 'crop: loose'" in answer.err


def test_a_clip_says_where_its_scores_come_from(infer, folder: Path):
    code, out, err = infer("clip.mp4", "--frames", FRAMES)
    (answer,) = json.loads(out)
    assert code == 0
    assert answer["weights_sha256"] == weights_sha256(folder / "weights.safetensors")
    assert (answer["file"], answer["media"]) == ("clip.mp4", "video")
    assert (answer["detector"], answer["precision"]) == ("efficientnet_lite0", "fp32")
    assert (answer["n_frames"], answer["n_faces"], len(answer["sha1"])) == (FRAMES, FRAMES - len(FACELESS), 40)
    assert [frame["seconds"] for frame in answer["frames"]] == pytest.approx([i / 25 for i in range(FRAMES)])
    assert any("not calibrated" in note for note in answer["notes"])
    assert any("assay-compact-81" in note for note in answer["notes"])
    verdict = "fake" if answer["score"] > 0.5 else "real"
    assert err.strip() == f"clip.mp4: {answer['score']:.2f} ({verdict}) over 6 of 8 frames, 1 face each"


def test_the_highest_of_all_faces_counts_or_the_largest_alone(infer):
    (every,) = json.loads(infer("two.png").out)
    (frame,) = every["frames"]
    assert len(frame["faces"]) == every["n_faces"] == 2
    assert [face["left"] >= 200 for face in frame["faces"]] == [True, False]
    assert all(face["left"] < face["right"] and face["top"] < face["bottom"] for face in frame["faces"])
    assert all(face["confidence"] > 0 for face in frame["faces"])
    assert every["score"] == frame["score"] == max(face["score"] for face in frame["faces"])
    assert frame["seconds"] is None

    answer = infer("two.png", "--largest-face")
    (largest,) = json.loads(answer.out)
    assert [face["left"] >= 200 for face in largest["frames"][0]["faces"]] == [True]
    assert answer.err.endswith(", 1 face\n")


@pytest.mark.parametrize(("name", "where"), [("nobody.png", ""), ("grey.mp4", " in 3 frames")])
def test_no_face_is_an_answer(infer, tmp_path: Path, name: str, where: str):
    answer = infer(name)
    (result,) = json.loads(answer.out)
    assert answer.code == 0
    assert answer.err == f"{name}: no face found{where}\n"
    assert result["score"] is None
    assert set(result["skipped"]) == {"no face"}
    assert "no face found" in result["notes"][0]
    assert infer(name, "--out", tmp_path).code == 0
    assert (tmp_path / name).with_suffix(".png").is_file()


BROKEN = {
    "text.mp4": "text.mp4 cannot be read as a video: not a video",
    "text.png": "text.png cannot be read as an image",
    "empty.mp4": "empty.mp4 cannot be read as a video: empty file",
    "missing.mp4": "no such file: missing.mp4",
    "notes.txt": "notes.txt: expected an image or a video that ends in .avi",
    ".": "no such file: .",
}


def test_each_broken_file_is_a_sentence_and_the_others_are_done(infer):
    code, out, err = infer(*BROKEN, "nobody.png")
    assert code == 2
    assert [result["file"] for result in json.loads(out)] == ["nobody.png"]
    lines = err.splitlines()
    assert len(lines) == len(BROKEN) + 1
    for line, sentence in zip(lines, BROKEN.values(), strict=False):
        assert line.startswith(f"assay: {sentence}")


def test_a_broken_file_alone_leaves_stdout_empty(infer):
    assert infer("text.mp4")[:2] == (2, "")


def test_results_and_pictures_lie_in_a_folder(infer, tmp_path: Path):
    out = tmp_path / "new"
    answer = infer("clip.mp4", "two.png", "--frames", 2, "--out", out)
    assert (answer.code, answer.out) == (0, "")
    assert {path.name for path in out.iterdir()} == {"clip.json", "clip.png", "two.json", "two.png"}
    assert json.loads((out / "clip.json").read_text()) == json.loads(infer("clip.mp4", "--frames", 2).out)[0]
    assert all(imread(out / name).ndim == 3 for name in ("clip.png", "two.png"))


def test_no_result_overwrites_another_or_a_file_that_is_scored(infer, folder: Path, tmp_path: Path):
    (tmp_path / "clip.png").write_bytes((folder / "two.png").read_bytes())
    twice = infer("clip.mp4", tmp_path / "clip.png", "--out", tmp_path / "out")
    assert twice.code == 2
    assert "the results of two files would both be clip.json" in twice.err
    before = (folder / "two.png").read_bytes()
    inside = infer("two.png", "--out", ".")
    assert inside.code == 2
    assert "would overwrite" in inside.err
    assert (folder / "two.png").read_bytes() == before


def test_weights_without_a_network_are_refused(assay, folder: Path):
    answer = assay("infer", folder / "two.png", "--weights", folder / "none.pth")
    assert answer.code == 2
    assert "no such weights file" in answer.err


def test_a_network_that_gives_no_number_is_refused(assay, folder: Path, tmp_path: Path):
    config = load_config(DetectorConfig, "efficientnet_lite0", ["resolution=96"])
    detector = build_detector(config, pretrained=False)
    next(iter(detector.parameters())).data.fill_(float("nan"))
    save_weights(detector, tmp_path / "nan.safetensors", {"config": to_yaml(config)})
    answer = assay("infer", folder / "two.png", "--weights", tmp_path / "nan.safetensors")
    assert answer.code == 2
    assert "P(fake) = nan, expected a number in [0, 1]" in answer.err
