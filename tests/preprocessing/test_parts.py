"""Parts of a data set: names for selections of its classes, read from the manifest that says them."""

from pathlib import Path

import lmdb
import pytest

from config.errors import InputError
from preprocessing.manifest import write_manifest
from preprocessing.parts import find_source
from preprocessing.rows import load_rows
from preprocessing.samples import open_faces

CLASSES = {"FF-real": 0, "FF-DF": 1, "FF-NT": 1, "FF-FH": 1}
PARTS = {"FF": ["FF-real", "FF-DF", "FF-NT"], "FF-DF": ["FF-real", "FF-DF"]}


def rows_of(*names: str, level: str = "c23") -> list[dict]:
    return [
        {
            "dataset": "FF",
            "split": "test",
            "label": CLASSES[name],
            "class_name": name,
            "method": name,
            "compression": level,
            "video_id": f"FF/{name}/000",
            "media": "video",
            "frame": 0,
            "face": 0,
            "store": "FF_lmdb",
            "key": f"FF/{name}/frames/000/000.png",
            "skip": "",
        }
        for name in names
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_manifest(tmp_path / "dfb" / "FF.parquet", rows_of(*CLASSES), {"parts": PARTS, "predictor": "the one"})
    lmdb.open(str(tmp_path / "dfb" / "FF_lmdb")).close()
    return tmp_path


def test_a_part_is_the_rows_of_its_classes_under_its_own_name(data: Path):
    rows = load_rows(data, "FF-DF", "test")
    assert sorted(rows["class_name"]) == ["FF-DF", "FF-real"]
    assert set(rows["dataset"]) == {"FF-DF"}
    assert set(rows["video_id"]) == {"FF/FF-DF/000", "FF/FF-real/000"}


def test_a_part_with_the_data_sets_name_is_what_the_name_means(data: Path):
    assert sorted(load_rows(data, "FF", "test")["class_name"]) == ["FF-DF", "FF-NT", "FF-real"]


def test_a_manifest_of_its_own_goes_before_a_part(data: Path):
    write_manifest(data / "dfb" / "FF-DF.parquet", [], {})
    assert find_source(data, "FF-DF").manifest.name == "FF-DF.parquet"


def test_a_name_may_end_with_a_level_of_compression_which_goes_before_the_detectors(data: Path):
    made = [*rows_of(*CLASSES), *rows_of(*CLASSES, level="c40")]
    write_manifest(data / "dfb" / "FF.parquet", made, {"parts": PARTS, "predictor": "the one"})
    assert set(load_rows(data, "FF-DF", "test", compression="c23")["compression"]) == {"c23"}
    for name, classes in (("FF-DF_c40", ["FF-DF", "FF-real"]), ("FF_c40", ["FF-DF", "FF-NT", "FF-real"])):
        rows = load_rows(data, name, "test", compression="c23")
        assert sorted(rows["class_name"]) == classes
        assert (set(rows["compression"]), set(rows["dataset"])) == ({"c40"}, {name})
    with pytest.raises(InputError, match=r"FF_raw has nothing in split 'test' at compression raw; it has .* c23, c40"):
        load_rows(data, "FF_raw", "test")
    with pytest.raises(InputError, match="unknown preprocessed data set 'FG-DX'"):
        load_rows(data, "FG-DX_c40", "test")


def test_parts_can_be_trained_on_together(data: Path):
    faces = open_faces(data, ["FF-DF", "FF"], "test")
    assert sorted(faces.rows["class_name"]) == ["FF-DF", "FF-DF", "FF-NT", "FF-real", "FF-real"]


def test_a_part_without_its_fakes_is_refused_and_without_some_of_them_warned_of(
    data: Path, caplog: pytest.LogCaptureFixture
):
    parts = {"shifted": ["FF-real", "FF-SH"], "some": ["FF-real", "FF-SH", "FF-DF"]}
    write_manifest(data / "dfb" / "FF.parquet", rows_of("FF-real", "FF-DF"), {"parts": parts})
    with pytest.raises(InputError, match=r"shifted needs FF-SH, of which there is nothing in FF\.parquet"):
        load_rows(data, "shifted", "test")
    assert len(load_rows(data, "some", "test")) == 2
    assert "some: nothing of FF-SH in split 'test'" in caplog.text


def test_an_unknown_part_has_a_nearest_one(data: Path):
    with pytest.raises(InputError, match="unknown preprocessed data set 'FF-DX'; did you mean 'FF-DF'"):
        load_rows(data, "FF-DX", "test")
