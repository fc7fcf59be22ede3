"""The embedded demo data: layouts, splits, clips and what each manipulation may touch."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmark.demo.animate import INNER_LIPS, Camera, Clip, animate, lip_gap, perform
from benchmark.demo.build import STILLS, build_demo, claim
from benchmark.demo.encode import C23, MASK, MPEG4, write_video
from benchmark.demo.forge import FaceSpace, expression_offsets
from benchmark.demo.portraits import Portrait, find_pictures, find_portrait, frame_face
from benchmark.demo.sets import DEMOFF_METHODS, DEMOX_METHODS, FRAMES, split_pairs
from benchmark.demo.targets import Forgery, forge_clip
from benchmark.demo.warp import similarity, thin_plate_map, transform
from config.errors import InputError
from preprocessing.landmarks import find_predictor, load_predictor
from tests.benchmark.demo_media import PEOPLE, SETS

SIZE = 192
EDITS = ("RegionSwap", "FeatureWarp", "SkinSmoothing")


def decode(path: Path) -> npt.NDArray[np.uint8]:
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            return np.array(frames)
        frames.append(frame)


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    predictor = load_predictor(find_predictor())
    found = [find_portrait(cv2.imread(str(path))[..., ::-1].copy(), predictor) for path in find_pictures(STILLS)[:6]]
    return [frame_face(portrait, SIZE) for portrait in found if portrait is not None]


@pytest.fixture(scope="module")
def clip(portraits: list[Portrait]) -> Clip:
    return animate(portraits[0], perform(6, np.random.default_rng(0)))


def test_stills_are_few_megabytes_of_equal_pictures() -> None:
    stills = find_pictures(STILLS)
    assert len(stills) == 72
    assert sum(path.stat().st_size for path in stills) < 2.5e6
    assert {cv2.imread(str(path)).shape for path in stills} == {(400, 400, 3)}


def test_demoff_is_laid_out_as_faceforensics(demo: Path) -> None:
    root = demo / "DemoFF"
    splits = {split: json.loads((root / f"{split}.json").read_text()) for split in ("train", "val", "test")}
    pairs = [tuple(pair) for part in splits.values() for pair in part]
    names = sorted(name for pair in pairs for name in pair)
    assert names == [f"{index:03d}" for index in range(12)]  # every identity in one pair of one split
    assert [len(splits[split]) for split in splits] == [4, 1, 1]
    real = root / "original_sequences" / "demo" / "c23" / "videos"
    assert sorted(path.name for path in real.iterdir()) == [f"{name}.mp4" for name in names]
    swapped = sorted(f"{a}_{b}.mp4" for pair in pairs for a, b in (pair, pair[::-1]))
    for method in DEMOFF_METHODS:
        for kind in ("c23", "masks"):
            folder = root / "manipulated_sequences" / method / kind / "videos"
            assert sorted(path.name for path in folder.iterdir()) == swapped


def test_demox_is_laid_out_as_celeb_df(demo: Path) -> None:
    root = demo / "DemoX"
    listed = dict(
        reversed(line.split(" ", 1)) for line in (root / "List_of_testing_videos.txt").read_text().splitlines()
    )
    assert set(listed) == {path.relative_to(root).as_posix() for path in root.rglob("*.mp4")}
    assert {path for path, label in listed.items() if label == "0"} == {
        path for path in listed if path.startswith("Celeb-synthesis/")
    }
    assert sum(label == "1" for label in listed.values()) == 4
    with (root / "methods.csv").open() as file:
        methods = {row["path"]: row["method"] for row in csv.DictReader(file)}
    assert set(methods) == {path for path, label in listed.items() if label == "0"}
    assert set(methods.values()) == set(DEMOX_METHODS)
    for path in methods:
        target, source, _ = Path(path).stem.split("_")
        assert target != source
        assert f"Celeb-real/{target}_0000.mp4" in listed


def test_clips_decode_to_the_same_number_of_frames_each(demo: Path) -> None:
    shapes = {part: {decode(path).shape for path in (demo / part).rglob("*.mp4")} for part in ("DemoFF", "DemoX")}
    assert shapes == {"DemoFF": {(FRAMES, 320, 320, 3)}, "DemoX": {(FRAMES, 288, 288, 3)}}
    assert not list(demo.rglob("*.part"))


def test_forged_clips_differ_from_their_targets_in_the_mask_above_all(demo: Path) -> None:
    root = demo / "DemoFF"
    for method in DEMOFF_METHODS:
        forged = next((root / "manipulated_sequences" / method / "c23" / "videos").iterdir())
        mask = decode(root / "manipulated_sequences" / method / "masks" / "videos" / forged.name)[..., 0]
        real = decode(root / "original_sequences" / "demo" / "c23" / "videos" / f"{forged.stem[:3]}.mp4")
        difference = np.abs(decode(forged).astype(float) - real).mean(axis=-1)
        outside = mask <= 1
        assert 0.5 < outside.mean() < 0.95
        assert difference[mask > 200].mean() > 2 * difference[outside].mean()


def test_bad_pictures_are_counted(demo: Path) -> None:
    stamp = json.loads((demo / "demo.json").read_text())
    assert stamp["skipped"] == {"no face": 1, "unreadable": 2}
    assert (stamp["pictures"], stamp["identities"]) == (PEOPLE + 3, PEOPLE)


def test_a_second_start_makes_only_what_is_missing_and_the_same_bytes(demo: Path, faces: Path) -> None:
    made = {path: path.stat().st_mtime_ns for path in demo.rglob("*.mp4")}
    swap = demo / "DemoFF" / "manipulated_sequences" / "LandmarkSwap"
    pair = next((swap / "c23" / "videos").iterdir())
    lost = [
        pair,
        swap / "masks" / "videos" / pair.name,
        next((demo / "DemoFF" / "original_sequences").rglob("*.mp4")),
        next((demo / "DemoX" / "Celeb-synthesis").iterdir()),
    ]
    content = {path: path.read_bytes() for path in lost}
    for path in lost:
        path.unlink()
    build_demo(demo, SETS, faces=faces, workers=1)
    assert {path: path.read_bytes() for path in lost} == content
    assert set(demo.rglob("*.mp4")) == set(made)
    assert {path for path, time in made.items() if path.stat().st_mtime_ns != time} == set(lost)


def test_another_seed_leaves_nothing_of_the_old_set(tmp_path: Path) -> None:
    claim(tmp_path, {"seed": 0})
    clip = tmp_path / "DemoX" / "Celeb-real" / "id9_0000.mp4"
    clip.parent.mkdir(parents=True)
    clip.touch()
    claim(tmp_path, {"seed": 0})
    assert clip.exists()
    claim(tmp_path, {"seed": 1})
    assert not clip.exists()
    assert json.loads((tmp_path / "demo.json").read_text()) == {"seed": 1}


def test_a_folder_of_other_videos_is_not_touched(faces: Path, tmp_path: Path) -> None:
    kept = tmp_path / "DemoFF" / "mine.mp4"
    kept.parent.mkdir()
    kept.write_bytes(b"mine")
    with pytest.raises(InputError, match="was not made by the demo"):
        build_demo(tmp_path, SETS, faces=faces, workers=1)
    assert kept.read_bytes() == b"mine"


def test_too_few_faces_are_refused_with_the_numbers(faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"8 of 8 pictures.*at least 16"):
        build_demo(tmp_path, SETS, faces=faces / "a", workers=1)
    with pytest.raises(InputError, match="no such folder"):
        build_demo(tmp_path, SETS, faces=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("identities", [12, 13, 48, 54])
def test_splits_share_no_identity(identities: int) -> None:
    splits = split_pairs(identities, seed=3)
    names = [name for pairs in splits.values() for pair in pairs for name in pair]
    assert len(names) == len(set(names)) == identities - identities % 2
    assert all(splits.values())
    assert split_pairs(identities, seed=3) == splits != split_pairs(identities, seed=4)


@pytest.mark.parametrize("method", [*DEMOFF_METHODS, *DEMOX_METHODS, *EDITS])
def test_a_manipulation_changes_the_face_and_nothing_else(
    method: str, clip: Clip, portraits: list[Portrait], tmp_path: Path
) -> None:
    source = portraits[1]
    driving = animate(source, perform(len(clip.frames), np.random.default_rng(1)))
    expression = expression_offsets(driving.track, driving.neutral)
    space = FaceSpace.fit(portraits[2:], components=5)
    forgery = Forgery(method, source, expression, (7,), tmp_path / "a.mp4")
    frames, masks = forge_clip(clip, forgery, space)
    assert (frames.shape, masks.shape) == (clip.frames.shape, clip.frames.shape[:3])
    np.testing.assert_array_equal(frames[masks == 0], clip.frames[masks == 0])
    for points, mask, before, after in zip(clip.track, masks, clip.frames, frames, strict=True):
        mouth = points[INNER_LIPS].mean(axis=0).astype(int)
        assert mask[mouth[1], mouth[0]] > 127
        assert 0.01 < (mask > 0).mean() < 0.5
        assert np.abs(before[mask > 127].astype(int) - after[mask > 127]).mean() > 1
    again, _ = forge_clip(clip, forgery, space)
    np.testing.assert_array_equal(again, frames)


def test_a_clip_moves_and_its_track_follows(portraits: list[Portrait]) -> None:
    clip = animate(portraits[0], perform(FRAMES, np.random.default_rng(5)))
    assert clip.frames.shape == (FRAMES, SIZE, SIZE, 3)
    travel = np.linalg.norm(np.ptp(clip.track, axis=0), axis=-1)
    assert 2 < np.median(travel) < 0.15 * SIZE
    predictor = load_predictor(find_predictor())
    for frame, points in list(zip(clip.frames, clip.track, strict=True))[::8]:
        larger = cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        seen = find_portrait(larger, predictor)
        assert seen is not None
        eyes = np.linalg.norm(points[45] - points[36])
        assert np.linalg.norm(seen.landmarks / 2 - points, axis=1).mean() < 0.08 * eyes


def test_a_performance_opens_the_mouth(portraits: list[Portrait]) -> None:
    clip = animate(portraits[0], perform(FRAMES, np.random.default_rng(5)))
    gaps = [lip_gap(points) for points in clip.track]
    assert max(gaps) > lip_gap(clip.neutral) + 0.01


def test_the_camera_treats_real_and_forged_alike() -> None:
    camera = Camera.draw((3, 32, 32, 3), np.random.default_rng(0))
    real = np.full((3, 32, 32, 3), 100, np.uint8)
    forged = real.copy()
    forged[:, 8:16, 8:16] = 140
    untouched = np.ones((3, 32, 32), bool)
    untouched[:, 8:16, 8:16] = False
    shot_real, shot_forged = camera.shoot(real), camera.shoot(forged)
    np.testing.assert_array_equal(shot_real[untouched], shot_forged[untouched])
    assert 0.5 < shot_real[0].astype(float).std() < 8


@pytest.mark.parametrize("encoder", [C23, MPEG4, MASK])
def test_encoding_repeats_its_bytes(encoder: object, clip: Clip, tmp_path: Path) -> None:
    frames = Camera.draw(clip.frames.shape, np.random.default_rng(0)).shoot(clip.frames)
    contents = set()
    for turn in range(3):
        write_video(tmp_path / f"{turn}.mp4", frames, encoder)
        contents.add((tmp_path / f"{turn}.mp4").read_bytes())
    assert len(contents) == 1
    decoded = decode(tmp_path / "0.mp4")[..., ::-1]
    assert cv2.PSNR(np.ascontiguousarray(decoded), frames) > 30


def test_a_spline_carries_its_points() -> None:
    rng = np.random.default_rng(0)
    to = rng.uniform(10, 90, (20, 2)).astype(np.float32)
    to[0] = (40, 56)  # on a node of the grid, where nothing is interpolated
    origin = to + rng.normal(0, 2, to.shape).astype(np.float32)
    positions = thin_plate_map(to, origin, (0, 0, 100, 100))
    np.testing.assert_allclose(positions[56, 40], origin[0], atol=1e-3)
    shifted = thin_plate_map(to, to + np.array([3, -2], np.float32), (8, 16, 48, 48))
    ys, xs = np.mgrid[16:48, 8:48]
    np.testing.assert_allclose(shifted, np.stack([xs + 3, ys - 2], axis=-1), atol=1e-3)


def test_a_similarity_is_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 10, (30, 2)).astype(np.float32)
    angle, scale = 0.3, 1.7
    matrix = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), 5],
            [scale * np.sin(angle), scale * np.cos(angle), -2],
        ]
    )
    np.testing.assert_allclose(similarity(transform(matrix, points), points), matrix, atol=1e-5)
