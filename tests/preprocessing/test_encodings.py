"""Crops as PNG, JPEG and BMP: what is stored, what is read again, and what leaves for DeepfakeBench."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.clips import Clip
from preprocessing.dfb_lmdb import dfb_meta, write_dfb_lmdb
from preprocessing.encodings import ENCODINGS
from preprocessing.landmarks import find_predictor
from preprocessing.loose import make_cropper
from preprocessing.manifest import manifest_meta, manifest_sha256
from preprocessing.pipeline import manifest_path, preprocess, process_clip, store_name
from preprocessing.rows import load_rows
from preprocessing.samples import FaceSet, open_faces
from preprocessing.store import FaceStore, mask_key
from tests.dfb import decode
from tests.faces import still

PREDICTOR = find_predictor(environ={})
CUSTOM = load_config(DatasetConfig, "custom")
BEGINNING = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "bmp": b"BM"}


def profile(encoding: str) -> Profile:
    return load_config(Profile, "dfb", [f"encoding={encoding}"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    for number, label in enumerate(("real", "fake")):
        (root / label).mkdir()
        cv2.imwrite(str(root / label / "still.png"), still(number))
    return root


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The data folder of each encoding."""
    folders = {encoding: tmp_path_factory.mktemp(encoding) for encoding in ENCODINGS}
    for encoding, data in folders.items():
        preprocess(CUSTOM, root, data, profile(encoding), PREDICTOR)
    return folders


def rows_of(data: Path) -> pd.DataFrame:
    return load_rows(data, "custom", "test")


def images(data: Path) -> list[np.ndarray]:
    faces = open_faces(data, ["custom"], "test")
    return [faces.read(index).image for index in range(len(faces))]


def test_bmp_gives_the_pixels_of_png_and_jpeg_nearly(made):
    png, jpeg, bmp = (np.stack(images(made[encoding])) for encoding in ("png", "jpeg", "bmp"))
    np.testing.assert_array_equal(bmp, png)
    assert (jpeg != png).any()
    assert cv2.PSNR(jpeg, png) > 38


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_keys_are_deepfakebenchs_and_the_store_says_what_is_in_it(made, encoding: str):
    data = made[encoding]
    store = FaceStore(data / "dfb" / store_name("custom"))
    crops = [store.get(key) for key in rows_of(data)["key"]]
    assert len(crops) == 2
    assert all(key.endswith(".png") for key in rows_of(data)["key"])
    assert all(crop.startswith(BEGINNING[encoding]) for crop in crops)
    assert store.meta()["encoder"] == manifest_meta(manifest_path(data, "dfb", "custom"))["encoder"]
    assert store.meta()["encoder"].startswith(encoding)


def test_jpeg_keeps_the_colours_of_single_pixels():
    """As it does only with chroma at full resolution."""
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 2], stripes[:, 1::2, 0] = 200, 200
    again = cv2.imdecode(np.frombuffer(ENCODINGS["jpeg"].encode(stripes), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(again.astype(int) - stripes).max() < 40


def test_the_encoding_is_no_part_of_what_a_profile_says_of_itself(made):
    assert profile("bmp").stored == profile("png").stored
    assert len({manifest_sha256(rows_of(data).drop(columns="store_path")) for data in made.values()}) == 1


def test_a_store_has_one_encoding(made, root: Path):
    with pytest.raises(InputError, match=r"another encoder \(bmp, now jpeg 95 4:4:4\)"):
        preprocess(CUSTOM, root, made["bmp"], profile("jpeg"), PREDICTOR)
    with pytest.raises(InputError, match=r"encoding: .*'png', 'jpeg' or 'bmp', not 'jpg'"):
        profile("jpg")


def test_masks_are_png_in_any_store(root: Path, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "still.png"), np.full(still(1).shape[:2], 255, np.uint8))
    file = root / "fake" / "still.png"
    clip = Clip("set", "test", 1, "fake", "m", "", "video", (file,), "fake", "set/frames/a", mask=tmp_path)
    values = process_clip(clip, make_cropper(profile("jpeg"), PREDICTOR), root, "set_lmdb").values
    (key,) = (key for key in values if "/frames/" in key)
    assert values[key].startswith(BEGINNING["jpeg"])
    assert values[mask_key(key)].startswith(BEGINNING["png"])
    assert decode(values[mask_key(key)], cv2.IMREAD_GRAYSCALE).shape == decode(values[key], cv2.IMREAD_COLOR).shape[:2]


@pytest.mark.parametrize("encoding", ["jpeg", "bmp"])
def test_an_export_holds_the_same_files_and_says_so(made, tmp_path: Path, encoding: str):
    rows, manifest = rows_of(made[encoding]), manifest_path(made[encoding], "dfb", "custom")
    meta = dfb_meta({"custom": manifest_meta(manifest)})
    assert meta["encoder"] == f"{ENCODINGS[encoding].name}, landmarks as 32-bit integers without header"
    assert dfb_meta({"custom": meta}) == meta
    write_dfb_lmdb(tmp_path / "x_lmdb", rows, meta, "\\")
    exported, faces = FaceStore(tmp_path / "x_lmdb"), FaceSet(rows)
    for index, key in enumerate(rows["key"]):
        bgr = decode(exported.get(key), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), faces.read(index).image)
