"""DeepfakeBench's leaderboard and DF40's protocols: what rows are trained on, what columns are of, what is shared."""

from pathlib import Path

import pytest

from benchmark.suites.columns import suite_columns
from benchmark.suites.plan import plan_suite, status
from benchmark.suites.table import suite_table
from config.load import load_config
from config.schema import DatasetConfig
from config.suite import SuiteConfig
from evaluation.published import read_source
from tests.benchmark.suites.rows import changes, configs

FAMILIES = ("FS", "FR", "EFS")
DETECTORS = ("Xception", "RECCE", "SPSL", "SRM")


def test_the_leaderboard_measures_all_fifteen_detectors_those_of_prodets_table_once_for_both():
    mine, its = configs("deepfakebench"), configs("prodet_table1")
    assert set(mine) == set(read_source("deepfakebench").table("README").rows)
    assert {name for name, config in mine.items() if config not in its.values()} == {"MesoIncep", "Face X-ray"}
    assert all(its[name] == mine[name] for name in set(mine) & set(its))
    assert mine["Face X-ray"].backbone_name == "hrnet", "as the table says"


def test_the_leaderboard_has_the_readmes_columns_and_averages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the row of Xception: 0.945 within and 0.7718 across."""
    within = [0.9637, 0.8261, 0.9799, 0.9785, 0.9833, 0.9385]
    across = [0.7794, 0.7365, 0.8341, 0.8163, 0.7077, 0.7374, 0.6249, 0.9379]
    suite = load_config(SuiteConfig, "deepfakebench")
    columns = suite_columns(suite.columns)
    given = dict(zip((column.heading for column in columns), within + across, strict=True))
    monkeypatch.setattr("benchmark.suites.readings.Reading.value", lambda _, column: given[column.heading])
    table = suite_table(plan_suite("mine", suite, tmp_path, tmp_path))
    row = table.rows.index("Xception")
    averages = [table.values[row][place] for place, column in enumerate(table.columns) if column.name == "Avg."]
    assert averages == pytest.approx([0.945, 0.7718], abs=5.1e-5)
    assert {column.group.metric for column in columns} == {"frame_auc"}


def df40(*names: str) -> dict[str, list[str]]:
    """The classes of the parts of some of DF40's three data sets."""
    return {part: of for name in names for part, of in load_config(DatasetConfig, name).parts.items()}


def test_protocols_1_to_3_share_their_trainings_and_differ_in_what_they_are_tested_on():
    trained = configs("df40_protocol1")
    assert configs("df40_protocol2") == configs("df40_protocol3") == trained
    assert {name: config.train_dataset for name, config in trained.items()} == {
        **{f"{row}, {family}": [f"{family}All_ff"] for row in DETECTORS for family in FAMILIES},
        "SBI": ["FSAll_ff"],
    }
    plain = {name.upper(): config for name, config in configs("deepfakebench").items()}
    for row in DETECTORS:
        for family in FAMILIES:
            assert set(changes(trained[f"{row}, {family}"], plain[row.upper()])) == {"train_dataset"}
    reals = {tuple(name for name in df40("DF40-ff")[f"{family}All_ff"] if "real" in name) for family in FAMILIES}
    assert reals == {("FF-real",)}, "SBI's only ones, so that it is one row"
    tests = [load_config(SuiteConfig, f"df40_protocol{number}").columns[0].test for number in (1, 2, 3)]
    assert tests[0] == {family: f"{family}All_ff" for family in FAMILIES}
    assert tests[1] == {family: f"{family}All_cdf" for family in FAMILIES}
    assert set(tests[2].values()) == set(df40("DF40-own"))


def test_protocol_4_is_each_method_against_each():
    suite = load_config(SuiteConfig, "df40_protocol4")
    families = [df40("DF40-ff")[f"{family}All_ff"] for family in FAMILIES]
    methods = [name.removesuffix("_Fake") for family in families for name in family if name != "FF-real"]
    assert len(methods) == 31
    trained = {name: config.train_dataset for name, config in configs("df40_protocol4").items()}
    assert trained == {name: [f"{name}_ff"] for name in methods}
    assert suite.columns[0].test == {name: f"{name}_ff" for name in methods}
    plain = configs("df40_protocol1")["Xception, FS"]
    assert all(set(changes(config, plain)) == {"train_dataset"} for config in configs("df40_protocol4").values())


@pytest.mark.parametrize("name", ["FaceForensics++_c40", "FF-DF_raw"])
def test_a_level_of_compression_is_brought_in_as_its_data_set_is(name: str, tmp_path: Path):
    suite = load_config(SuiteConfig, "deepfakebench")
    group = suite.columns[0].model_copy(update={"test": {"one": name}, "averages": {}})
    (entry,) = plan_suite(
        "mine", suite.model_copy(update={"columns": (group,), "published": None}), tmp_path, tmp_path, ["X*"]
    ).trained
    (cell,) = entry.scores.values()
    (reason,) = {reason for what, reason in status(cell).waits_for.items() if what == cell.test}
    assert reason.startswith("FaceForensics++ is not preprocessed: 'assay preprocess FaceForensics++ --root DIR")
