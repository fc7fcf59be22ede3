"""`assay train`: where a run goes that names no folder."""

from pathlib import Path

import pytest

from benchmark.train import default_folder
from config.load import load_config, variant_names
from config.schema import DetectorConfig


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
