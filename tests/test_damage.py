"""Files with flipped, missing and added bytes: each reader gives what is there or one sentence, and never hangs."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from benchmark.demo.encode import C23, MPEG4
from benchmark.demo.encode import write_video as encode_video
from config.errors import InputError
from config.load import load_config
from config.perturbation import CLEAN
from config.schema import DatasetConfig, DetectorConfig, Profile
from detectors.weights import read_weights
from evaluation.scores import ScoreRecord, ScoreWriter, environment, read_scores
from preprocessing.clips import UnreadableMediaError, read_frames, read_image
from preprocessing.dfb_import import import_json
from preprocessing.dfb_json import to_dfb_json
from preprocessing.dfb_labels import Labels
from preprocessing.landmarks import find_predictor
from preprocessing.layouts import list_clips
from preprocessing.manifest import read_manifest
from preprocessing.pipeline import manifest_path, preprocess, store_name
from preprocessing.samples import BrokenSampleError, open_faces
from preprocessing.store import FaceStoreWriter, decode_landmarks, encode_landmarks
from tests.faces import still
from training.checkpoint import load_state, save_state

CUSTOM = load_config(DatasetConfig, "custom")
PROFILE = load_config(Profile, "dfb")
LABELS = Labels()
SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What may happen to a file: some bytes change, the end or a piece is missing, something is put in."""
    kind = draw(st.sampled_from(["flip", "flip", "cut", "hole", "insert", "zeros"]))
    places = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
    junk = draw(st.binary(min_size=1, max_size=8))

    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        first = int(places[0] * len(content))
        if kind == "flip":
            for number, place in enumerate(places):
                changed[int(place * len(content))] ^= junk[number % len(junk)] or 1
        elif kind == "cut":
            del changed[first:]
        elif kind == "hole":
            del changed[first : first + len(junk)]
        elif kind == "insert":
            changed[first:first] = junk
        else:
            changed[first : first + 512] = bytes(len(changed[first : first + 512]))
        return bytes(changed)

    return damage


def damaged(path: Path, damage: Callable[[bytes], bytes]) -> Path:
    """A damaged copy beside the whole file."""
    copy = path.with_name(f"damaged{path.suffix}")
    copy.write_bytes(damage(path.read_bytes()))
    return copy


def answers(read: Callable[[], object]) -> None:
    """A reader gives something or one sentence."""
    try:
        read()
    except InputError as error:
        text = str(error)
        assert text
        assert "\n" not in text.strip()
        assert "Traceback" not in text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small file of each kind, made by the project itself."""
    folder = tmp_path_factory.mktemp("whole")
    for number in range(3):
        path = folder / "media" / ("real" if number else "fake") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), still(number))
    preprocess(CUSTOM, folder / "media", folder / "data", load_config(Profile, "dfb"), find_predictor(environ={}))
    manifest = manifest_path(folder / "data", "dfb", "custom")
    (folder / "dfb.json").write_text(json.dumps(to_dfb_json("custom", read_manifest(manifest))))
    with ScoreWriter(folder / "scores.parquet") as writer:
        rows = read_manifest(manifest)
        columns = ["dataset", "split", "compression", "video_id", "frame", "face", "label", "class_name", "method"]
        writer.write(rows[columns].assign(perturbation=CLEAN, level=0, draw=0, score=0.25))
    ScoreRecord(
        "xception", "a" * 64, "b" * 64, "corrected", 1, 0, 1.0, 3, 3, 0, environment(), None, precision="fp32"
    ).write(folder / "scores.json")
    tensors = {"a.weight": torch.arange(64.0).reshape(8, 8), "a.bias": torch.zeros(8)}
    save_file(tensors, folder / "weights.safetensors", metadata={"assay": json.dumps({"config": "model_name: x"})})
    torch.save({"state_dict": tensors}, folder / "weights.pth")
    save_state({"model": tensors, "progress": {"epoch": 1}, "rng": torch.get_rng_state()}, folder / "state.pt")
    frames = np.stack([np.roll(still(0)[:160, :160, ::-1], 2 * step, 1) for step in range(12)])
    encode_video(folder / "c23.mp4", frames, C23)
    encode_video(folder / "mpeg4.mp4", frames, MPEG4)
    for suffix in (".jpg", ".png", ".webp", ".bmp"):
        cv2.imwrite(str(folder / f"image{suffix}"), still(0)[:96, :96])
    shutil.copyfile(find_predictor(environ={}).path, folder / "landmarks.dat")
    for kind, name in ((DetectorConfig, "xception"), (DatasetConfig, "FaceForensics++"), (Profile, "dfb")):
        room = {DetectorConfig: "detectors", DatasetConfig: "datasets", Profile: "preprocessing"}[kind]
        source = Path(load_config.__code__.co_filename).parent / room / f"{name}.yaml"
        shutil.copyfile(source, folder / f"{kind.__name__}.yaml")
    return folder


def import_faces(path: Path) -> object:
    """A JSON over the store that the whole one was made of."""
    data = path.parent / "imported"
    imported = import_json(path, data, PROFILE, LABELS, lmdb=path.parent / "data" / "dfb" / store_name("custom"))
    return read_manifest(imported.manifest)


READERS: dict[str, Callable[[Path], object]] = {
    "DetectorConfig.yaml": lambda path: load_config(DetectorConfig, path),
    "DatasetConfig.yaml": lambda path: load_config(DatasetConfig, path),
    "Profile.yaml": lambda path: load_config(Profile, path),
    "dfb.json": lambda path: import_faces(path),
    "data/dfb/custom.parquet": lambda path: open_faces(path.parent.parent, [path.stem], "test").sha256,
    "scores.parquet": read_scores,
    "scores.json": ScoreRecord.read,
    "weights.safetensors": read_weights,
    "weights.pth": read_weights,
    "state.pt": load_state,
    "landmarks.dat": find_predictor,
}


@pytest.mark.parametrize("name", READERS)
@SETTINGS
@given(damage=damages())
def test_a_damaged_file_is_read_or_refused(folder: Path, name: str, damage):
    answers(lambda: READERS[name](damaged(folder / name, damage)))


@pytest.mark.parametrize("kind", [DetectorConfig, DatasetConfig, Profile])
@SETTINGS
@given(text=st.text(max_size=60) | st.from_regex(r"[a-z_]{1,8}: [\[\]{}&*!|>%@`'\"0-9a-z:,\- \n]{0,30}"))
def test_any_text_as_a_configuration_is_read_or_refused(folder: Path, kind, text: str):
    path = folder / "any.yaml"
    path.write_bytes(text.encode(errors="replace"))
    answers(lambda: load_config(kind, path))


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc/frames"), inner, max_size=3),
    max_leaves=12,
)


@SETTINGS
@given(document=NESTED)
def test_any_json_in_place_of_a_known_one_is_read_or_refused(folder: Path, document):
    path = folder / "any.json"
    path.write_text(json.dumps(document))
    answers(lambda: import_faces(path))
    answers(lambda: ScoreRecord.read(path))
    for split in ("train", "val", "test"):
        shutil.copyfile(path, folder / "media" / f"{split}.json")
    answers(lambda: list_clips(load_config(DatasetConfig, "FaceForensics++"), folder / "media"))


@SETTINGS
@given(damage=damages())
def test_a_damaged_store_gives_its_faces_or_names_the_broken_ones(folder: Path, damage):
    data = folder / "damaged_store"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(folder / "data", data)
    store = data / "dfb" / store_name("custom")
    whole = open_faces(folder / "data", ["custom"], "test", with_landmark=True)
    (store / "data.mdb").write_bytes(damage((store / "data.mdb").read_bytes()))

    def read() -> None:
        faces = open_faces(data, ["custom"], "test", with_landmark=True)
        for index in range(len(faces)):
            try:
                image = faces.read(index).image
            except BrokenSampleError:
                continue
            assert np.array_equal(image, whole.read(index).image), "a damaged value was taken for whole"

    answers(read)


@pytest.mark.filterwarnings("ignore:Reading .*additional header parsing")
@SETTINGS
@given(damage=damages(), header=st.text("0123456789(),'{}: <i48Lbf", max_size=60))
def test_damaged_landmarks_are_81_points_or_refused(damage, header: str):
    value = encode_landmarks(np.arange(162).reshape(81, 2))
    for content in (damage(value), value[:10] + header.encode().ljust(118) + value[128:]):
        with suppress(ValueError):
            assert decode_landmarks(content).shape == (81, 2)


def test_landmarks_that_claim_to_fill_the_memory_are_refused():
    value = encode_landmarks(np.arange(162).reshape(81, 2))
    huge = value.replace(b"(81, 2), }         ", b"(99999999999, 2), }")
    assert len(huge) == len(value)
    with pytest.raises(ValueError, match="landmarks"):
        decode_landmarks(huge)


@pytest.mark.parametrize("name", ["c23.mp4", "mpeg4.mp4"])
@pytest.mark.parametrize("stride", [None, 2])
@SETTINGS
@given(damage=damages())
def test_a_damaged_video_gives_frames_or_a_reason(folder: Path, name: str, stride, damage):
    with suppress(UnreadableMediaError):
        frames = list(read_frames((damaged(folder / name, damage),), 4, stride))
        assert len(frames) <= 1000
        assert all(frame is None or frame.ndim == 3 for _, frame in frames)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
@SETTINGS
@given(damage=damages())
def test_a_damaged_image_is_an_image_or_none(folder: Path, suffix: str, damage):
    image = read_image(damaged(folder / f"image{suffix}", damage))
    assert image is None or (image.ndim == 3 and image.dtype == np.uint8)


@SETTINGS
@given(damage=damages())
def test_a_damaged_store_is_not_written_to_blindly(folder: Path, damage):
    store = folder / "damaged_writer"
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(folder / "data" / "dfb" / store_name("custom"), store)
    (store / "data.mdb").write_bytes(damage((store / "data.mdb").read_bytes()))

    def write() -> None:
        writer = FaceStoreWriter(store, {"format": 1})
        try:
            writer.rows("custom/fake/fake/0")
            writer.add("custom/fake/fake/9", {"custom/fake/frames/9/000.png": b"x" * 5000}, [])
        finally:
            writer.close()

    answers(write)
