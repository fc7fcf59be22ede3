"""What stands in for a suite's data sets on the demo, and what it says about it."""

from functools import cache
from pathlib import Path

import pytest

from benchmark.demo.sets import DEMODF40_METHODS, DEMODIFF_METHODS
from benchmark.describe import whole_of
from benchmark.suites.stand_ins import DF40, DIFF, FFPP, demo_sets, on_the_demo, stand_ins
from config.load import config_names, load_config, validate
from config.schema import DatasetConfig
from config.suite import SuiteConfig


def suite_on(*tests: str, **changes) -> SuiteConfig:
    rows = [{"name": "B4", "detector": "efficientnetb4"}]
    return validate(SuiteConfig, {"title": "A table", "rows": rows, "columns": [{"test": list(tests)}], **changes}, "m")


@cache
def methods_of(name: str) -> set[str]:
    """The manipulations of a data set or a part of one."""
    config = load_config(DatasetConfig, whole_of(name) or name)
    chosen = config.parts.get(name, [entry.class_name for entry in config.classes])
    return {entry.method for entry in config.classes if entry.label and entry.class_name in chosen}


@pytest.mark.parametrize(
    ("name", "substitutes", "by"),
    [
        ("FaceForensics++", FFPP, "DemoFF"),
        ("DF40-ff", DF40, "DemoDF40"),
        ("DF40-cdf", DF40, "DemoDF40"),
        ("DF40-own", DF40, "DemoDF40"),
        ("DiFF", DIFF, "DemoDiFF"),
    ],
)
def test_every_part_has_a_stand_in_that_resembles_it(name: str, substitutes: dict[str, tuple[str, ...]], by: str):
    """Of the manipulations that resemble its own; a part of several has a whole family's, and no other's."""
    resembling = {method: substitute for substitute, methods in substitutes.items() for method in methods}
    assert len(resembling) == sum(map(len, substitutes.values()))
    parts, known = list(load_config(DatasetConfig, name).parts), {by, *load_config(DatasetConfig, by).parts}
    for part, stand_in in stand_ins(suite_on(*parts)).items():
        assert stand_in in known
        assert {resembling[method] for method in methods_of(part)} == methods_of(stand_in), part
        assert not by.endswith("DF40") or stand_in.endswith("ff" if name == "DF40-ff" else "cdf")
    assert whole_of(stand_ins(suite_on(name))[name]) or stand_ins(suite_on(name))[name] == by


def test_families_are_those_of_the_papers():
    for part, family in (("FSAll_ff", "FS"), ("FRAll_ff", "FR"), ("EFSAll_ff", "EFS")):
        assert methods_of(f"Demo{part}") == set(DEMODF40_METHODS[family])
    for kind, methods in DEMODIFF_METHODS.items():
        assert methods_of(f"DemoDiFF-{kind}") == set(methods)


@pytest.mark.parametrize(
    ("name", "sets", "different"),
    [
        ("fia_usa_table4", ("DemoFF", "DemoDiFF"), 4),
        ("fia_usa_table5", ("DemoFF", "DemoDF40"), 4),
        ("fia_usa_table9a", ("DemoFF", "DemoDF40"), 18),
        ("fia_usa_table9b", ("DemoFF", "DemoDiFF"), 8),
        ("prodet_table7", ("DemoFF", "DemoX", "DemoDF40"), 0),
        ("adfd_table2", ("DemoFF", "DemoX"), 0),
        ("adfd_table9", ("DemoFF",), 5),
        ("deepfakebench", ("DemoFF", "DemoX"), 6),
        ("df40_protocol1", ("DemoFF", "DemoDF40"), 3),
        ("df40_protocol4", ("DemoFF", "DemoDF40"), 11),
    ],
)
def test_columns_differ_where_they_can(name: str, sets: tuple[str, ...], different: int):
    suite = load_config(SuiteConfig, name)
    assert demo_sets(suite) == sets
    found = stand_ins(suite)
    assert set(found) == set(suite.tests)
    assert {whole_of(stand_in) or stand_in for stand_in in found.values()} <= set(sets)
    assert not different or len(set(found.values())) == different


@pytest.mark.parametrize("name", config_names(SuiteConfig))
def test_no_suite_tests_on_what_is_no_data_set_of_the_demo(name: str):
    suite = load_config(SuiteConfig, name)
    for stand_in in stand_ins(suite).values():
        assert (whole_of(stand_in) or stand_in) in demo_sets(suite)  # no shipped set has a part of another's name


def test_notes_are_one_for_each_set_that_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmark.demo.light.Light.epochs", lambda *_: 1)
    suite = suite_on("simswap_ff", "inswap_ff", "MidJourney", "DiFF-FS", "DiFF", "DFDC", "DemoX", "LandmarkSwap_cdf")
    found = on_the_demo(suite, tmp_path, seed=0)
    assert found.footnotes == (
        "DemoFF in place of FaceForensics++, to train on",
        "DemoX in place of DFDC",
        "parts of DemoDF40: BoxSwap_ff in place of inswap_ff, simswap_ff; ChimericFace_cdf in place of MidJourney",
        "DemoDiFF in place of DiFF; DemoDiFF-FS in place of DiFF-FS",
    )


def test_what_is_trained_on_is_demoff_and_df40_is_tested_on_as_ever(tmp_path: Path):
    suite = suite_on("FSAll_ff", "FSAll_cdf", "FF-DF", "Celeb-DF-v2", train=["FSAll_ff", "Celeb-DF-v2"])
    parts = {"FSAll_ff": "DemoFSAll_ff", "FSAll_cdf": "DemoFSAll_cdf"}
    assert stand_ins(suite) == {**parts, "FF-DF": "DemoX", "Celeb-DF-v2": "DemoFF"}


def test_the_page_has_the_same_stand_ins():
    page = (Path(__file__).parents[3] / "docs" / "suites.md").read_text(encoding="utf-8")
    for substitute, methods in DF40.items():
        assert f"| {substitute} | {', '.join(methods)} |" in page
