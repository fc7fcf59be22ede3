"""DeepfakeBench's LMDB: whole or absent, refused where two do not fit into one, taken in without a copy."""

import os
from pathlib import Path

import lmdb
import pandas as pd
import pytest

from config.errors import InputError
from preprocessing import dfb_lmdb
from preprocessing.dfb_lmdb import adopt_lmdb, dfb_lmdb_name, dfb_meta, write_dfb_lmdb
from preprocessing.rows import load_rows
from preprocessing.store import FaceStore, FaceStoreWriter
from tests.dfb import META, write_ffpp


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_ffpp(data)
    return data


@pytest.fixture
def rows(data: Path) -> pd.DataFrame:
    every = pd.concat([load_rows(data, "FaceForensics++", split) for split in ("train", "val", "test")])
    return every[every["skip"] == ""]


def test_the_sets_of_ffpp_share_one_folder():
    assert {dfb_lmdb_name(name) for name in ("FaceForensics++", "FF-NT", "FaceShifter", "DeepFakeDetection")} == {
        "FaceForensics++_lmdb"
    }
    assert dfb_lmdb_name("Celeb-DF-v2") == "Celeb-DF-v2_lmdb"


@pytest.mark.parametrize("batch", [1, 3000, 1 << 30])
def test_however_large_a_transaction_is_the_entries_are_the_same(rows, tmp_path: Path, monkeypatch, batch: int):
    monkeypatch.setattr(dfb_lmdb, "BATCH_BYTES", batch)
    seen: list[tuple[int, int]] = []
    write_dfb_lmdb(tmp_path / "x_lmdb", rows, META, "\\", lambda *done: seen.append(done))
    store = FaceStore(tmp_path / "x_lmdb")
    assert len(list(store.keys())) == 2 * 18 + 12
    assert all("/" not in key for key in store.keys())  # noqa: SIM118
    assert all(len(store.get(key)) == 648 for key in store.keys() if key.endswith(".npy"))  # noqa: SIM118
    assert seen[-1] == (18, 18)
    assert len(seen) == {1: 18, 1 << 30: 1}.get(batch, len(seen))
    assert store.meta() == META


def test_a_write_that_stops_leaves_nothing_that_looks_whole(rows, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(dfb_lmdb, "BATCH_BYTES", 1)
    left = tmp_path / ".x_lmdb.99999999.tmp"
    left.mkdir()
    (left / "data.mdb").write_bytes(b"of a killed run")

    def stop(done: int, total: int) -> None:
        assert not (tmp_path / "x_lmdb").exists()
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dfb_lmdb(tmp_path / "x_lmdb", rows, META, "\\", stop)
    assert list(tmp_path.iterdir()) == []
    write_dfb_lmdb(tmp_path / "x_lmdb", rows, META, "\\")
    with pytest.raises(InputError, match="is there already"):
        write_dfb_lmdb(tmp_path / "x_lmdb", rows, META, "\\")


def test_a_face_that_the_store_lacks_or_a_key_of_two_faces_is_refused(rows, data: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"no value under D/frames/v/999\.png"):
        write_dfb_lmdb(tmp_path / "x_lmdb", rows.assign(key="D/frames/v/999.png").head(1), META, "\\")
    other = rows.head(1).assign(store_path=str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="two faces have the same key"):
        write_dfb_lmdb(tmp_path / "x_lmdb", pd.concat([rows, other]), META, "\\")
    write_dfb_lmdb(tmp_path / "x_lmdb", pd.concat([rows, rows]), META, "\\")
    assert len(list(FaceStore(tmp_path / "x_lmdb").keys())) == 48


def test_sets_that_were_made_in_different_ways_do_not_share_an_lmdb():
    assert dfb_meta({"a": META, "b": META | {"dataset": "b"}})["dataset"] == META["dataset"]
    with pytest.raises(InputError, match="b was made with another predictor sha256 than a"):
        dfb_meta({"a": META, "b": META | {"predictor_sha256": "cd"}})


def foreign(folder: Path, content: bytes = b"pixels") -> Path:
    with lmdb.open(str(folder)) as env, env.begin(write=True) as txn:
        txn.put(b"D\\frames\\v\\0.png", content)
    return folder


def test_an_lmdb_whose_file_is_a_link_is_taken_by_what_the_link_leads_to(tmp_path: Path):
    source = foreign(tmp_path / "blobs")
    linked = tmp_path / "snapshot" / "D_lmdb"
    linked.mkdir(parents=True)
    (linked / "data.mdb").symlink_to(Path("..") / ".." / "blobs" / "data.mdb")
    for _ in range(2):
        assert adopt_lmdb(linked, tmp_path / "data" / "dfb") == "D_lmdb"
    taken = tmp_path / "data" / "dfb" / "D_lmdb" / "data.mdb"
    assert not taken.is_symlink()
    assert taken.samefile(source / "data.mdb")


def test_an_lmdb_comes_in_without_a_copy_and_only_once(tmp_path: Path):
    (tmp_path / "bench").mkdir()
    source = foreign(tmp_path / "bench" / "D_lmdb")
    assert adopt_lmdb(source, tmp_path / "data" / "dfb") == "D_lmdb"
    place = tmp_path / "data" / "dfb" / "D_lmdb"
    assert place.joinpath("data.mdb").samefile(source / "data.mdb")
    assert FaceStore(place).get("D/frames/v/0.png") == b"pixels"
    assert adopt_lmdb(source, tmp_path / "data" / "dfb") == "D_lmdb"
    assert adopt_lmdb(place, tmp_path / "data" / "dfb") == "D_lmdb"
    with pytest.raises(InputError, match="not made by this project"):
        FaceStoreWriter(place, META)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="another store"):
        adopt_lmdb(foreign(tmp_path / "other" / "D_lmdb", b"others" * 9999), tmp_path / "data" / "dfb")


def test_from_another_disk_it_is_copied(tmp_path: Path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source, seen = foreign(tmp_path / "D_lmdb"), []
    for _ in range(2):
        assert adopt_lmdb(source, tmp_path / "data", lambda *done: seen.append(done)) == "D_lmdb"
    place = tmp_path / "data" / "D_lmdb" / "data.mdb"
    assert not place.samefile(source / "data.mdb")
    assert place.read_bytes() == (source / "data.mdb").read_bytes()
    assert len(seen) == 1


def test_a_folder_that_is_no_lmdb_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not an LMDB"):
        adopt_lmdb(tmp_path, tmp_path / "data")
    assert not (tmp_path / "data").exists()
