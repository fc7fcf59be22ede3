"""The FaceStore: whole clips, growing, foreign stores refused, DeepfakeBench's own LMDBs read."""

import multiprocessing
import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest

from config.errors import InputError
from preprocessing.store import (
    FaceStore,
    FaceStoreWriter,
    decode_landmarks,
    encode_landmarks,
    landmarks_key,
    mask_key,
)

META = {"format": 1, "dataset": "D", "profile": {"name": "dfb"}, "predictor_sha256": "a", "encoder": "png"}
POINTS = np.arange(162).reshape(81, 2)


def test_what_is_written_is_read_also_in_another_process_copy(tmp_path: Path):
    writer = FaceStoreWriter(tmp_path / "s", META)
    writer.add("v", {"D/frames/v/000.png": b"pixels"}, [{"frame": 0}])
    assert writer.rows("v") == [{"frame": 0}]
    assert writer.rows("w") is None
    writer.close()
    store = FaceStore(tmp_path / "s")
    assert store.get("D/frames/v/000.png") == b"pixels"
    assert pickle.loads(pickle.dumps(store)).get("D/frames/v/000.png") == b"pixels"  # noqa: S301
    assert list(store.keys()) == ["D/frames/v/000.png"]
    assert store.meta() == META


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_an_open_store_goes_to_other_processes(tmp_path: Path, start_method: str):
    writer = FaceStoreWriter(tmp_path / "s", META)
    writer.add("v", {"a": b"1"}, [])
    writer.close()
    store = FaceStore(tmp_path / "s")
    assert store.get("a") == b"1"
    with multiprocessing.get_context(start_method).Pool(2) as pool:
        assert pool.map(store.get, ["a"] * 4) == [b"1"] * 4
    assert store.get("a") == b"1"


def test_the_map_grows_as_needed(tmp_path: Path):
    writer = FaceStoreWriter(tmp_path / "s", META)
    value = bytes(1 << 20)
    writer.add("big", {f"D/frames/v/{index:03d}.png": value for index in range(100)}, [])
    writer.close()
    assert FaceStore(tmp_path / "s").get("D/frames/v/099.png") == value


def test_a_store_made_otherwise_is_refused_by_name(tmp_path: Path):
    FaceStoreWriter(tmp_path / "s", META).close()
    FaceStoreWriter(tmp_path / "s", META | {"versions": {"numpy": "9"}}).close()
    with pytest.raises(InputError, match="another predictor sha256"):
        FaceStoreWriter(tmp_path / "s", META | {"predictor_sha256": "b"})


def test_a_key_too_long_for_lmdb_is_an_error(tmp_path: Path):
    writer = FaceStoreWriter(tmp_path / "s", META)
    with pytest.raises(InputError, match="too long"):
        writer.add("v", {"D/frames/" + "x" * 600 + ".png": b""}, [])
    writer.close()


@pytest.mark.parametrize("spelling", ["{}", "D\\frames/v/000.png", "D\\frames\\v\\000.png"])
def test_deepfakebench_keys_are_found_with_either_slash(tmp_path: Path, spelling: str):
    key = "D/frames/v/000.png"
    with lmdb.open(str(tmp_path / "s")) as env, env.begin(write=True) as txn:
        txn.put(spelling.format(key).encode(), b"pixels")
    store = FaceStore(tmp_path / "s")
    assert store.get(key) == b"pixels"
    assert store.meta() == {}
    with pytest.raises(KeyError):
        store.get("D/frames/v/001.png")


@pytest.mark.parametrize(
    "value",
    [encode_landmarks(POINTS), POINTS.astype(np.int32).tobytes(), POINTS.astype(np.int64).tobytes()],
    ids=["npy", "int32", "int64"],
)
def test_landmarks_are_read_from_npy_and_from_both_headerless_forms(value: bytes):
    np.testing.assert_array_equal(decode_landmarks(value), POINTS)


@pytest.mark.parametrize("value", [b"", b"123", encode_landmarks(POINTS)[:100], encode_landmarks(POINTS[:68])])
def test_broken_landmarks_are_a_value_error(value: bytes):
    with pytest.raises(ValueError):  # noqa: PT011
        decode_landmarks(value)


def test_siblings_replace_the_last_frames_folder():
    assert landmarks_key("D/frames/c23/frames/v/012_1.png") == "D/frames/c23/landmarks/v/012_1.npy"
    assert mask_key("D/c23/frames/v/012.png") == "D/c23/masks/v/012.png"


def test_a_folder_that_is_no_lmdb_says_so(tmp_path: Path):
    with pytest.raises(InputError, match="not an LMDB"):
        FaceStore(tmp_path).get("x")
    (tmp_path / "data.mdb").write_bytes(b"nonsense" * 1000)
    with pytest.raises(InputError, match="cannot open"):
        FaceStore(tmp_path).get("x")
