"""`assay train`: where a run goes that names no folder, and what it says of its faces."""

from pathlib import Path

import pytest

from benchmark.train import default_folder
from config.load import load_config, variant_names
from config.schema import DetectorConfig
from preprocessing.manifest import read_manifest, write_manifest
from preprocessing.pipeline import manifest_path
from tests.dfb import META, write_ffpp


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("fia_usa", "fia_usa"),
        ("fia_usa/wo_affs", "fia_usa_wo_affs"),
        ("realid_sbi", "realid_sbi"),
        ("MINE", "realid"),
        ("MINE/narrow", "realid_narrow"),
    ],
)
def test_the_folder_of_a_run_has_the_name_that_was_asked_for(name: str, folder: str, tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("base: realid\nvariants:\n  narrow: {resolution: 64}\n")
    asked = name.replace("MINE", str(file))
    assert default_folder(asked, load_config(DetectorConfig, asked)) == Path("results/runs") / folder


def test_no_two_variants_share_a_folder():
    names = ["fia_usa", *variant_names(DetectorConfig, "fia_usa")]
    assert len({default_folder(name, load_config(DetectorConfig, name)) for name in names}) == len(names)


@pytest.mark.parametrize(("recipe", "said"), [("frames", True), ("real_with_pseudofake", False)])
def test_a_class_that_is_missing_is_said_where_it_is_not_made(assay, caplog, tmp_path: Path, recipe: str, said: bool):
    write_ffpp(tmp_path)
    manifest = manifest_path(tmp_path, "dfb", "FaceForensics++")
    rows = read_manifest(manifest)
    rows.loc[(rows["split"] == "train") & (rows["label"] == 1), "split"] = "val"
    write_manifest(manifest, rows.to_dict("records"), META)
    settings = ["nEpochs=1", "resolution=32", "train_batchSize=2", "pretrained=null", f"dataset_type={recipe}"]
    made = ["pseudofake=sbi"] if recipe != "frames" else []
    options = [part for value in (*settings, *made) for part in ("--set", value)]
    places = ("--data", tmp_path, "--out", tmp_path / "run", "--device", "cpu", "--workers", 0)
    answer = assay("train", "efficientnet_lite0", *options, *places)
    assert answer.code == 0, answer.err
    assert ("no face to train on is fake" in answer.err + caplog.text) == said
