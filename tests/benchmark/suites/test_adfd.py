"""ADFD's suites: rows are what their names say and differ in nothing else; columns and averages are the paper's."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.suites.columns import suite_columns
from benchmark.suites.plan import plan_suite
from benchmark.suites.table import suite_table
from config.load import config_names, load_config, to_yaml
from config.pseudofake import LAL_KINDS, Draw
from config.row import SweptRow
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from preprocessing.views import load_suite
from tests.benchmark.suites.rows import changes, configs
from training.pseudofakes.masks import hull_mask, lal_mask

SUITES = [name for name in config_names(SuiteConfig) if name.startswith("adfd")]
SETS = {"FF++": "FaceForensics++", "CDF": "Celeb-DF-v2", "DFDC": "DFDC", "DFDCP": "DFDCP", "FFIW": "FFIW"}
OTHERS = {heading: name for heading, name in SETS.items() if heading != "FF++"}


@pytest.mark.parametrize("name", SUITES)
def test_all_learn_from_reals_alone_and_are_tested_on_the_papers_sets(name: str):
    suite = load_config(SuiteConfig, name)
    expected = {"adfd_table8": OTHERS, "adfd_table11": OTHERS}.get(name, SETS)
    if name == "adfd_table9":
        expected = {"DF": "FF-DF", "F2F": "FF-F2F", "FS": "FF-FS", "NT": "FF-NT", "FF++": "FaceForensics++"}
    assert (suite.profile, suite.protocol) == ("sbi", "corrected")
    assert all((group.metric, group.test) == ("video_auc", expected) for group in suite.columns)
    for row, config in configs(name).items():
        assert (config.dataset_type, config.train_dataset) == ("real_with_pseudofake", ["FaceForensics++"])
        assert config.compression == ("c23" if row == "c23" else "raw")


def test_a_training_is_shared_by_all_tables_that_have_it():
    found: dict[str, list[tuple[str, str]]] = {}
    for name in SUITES:
        for row, config in configs(name).items():
            found.setdefault(to_yaml(config), []).append((name.removeprefix("adfd_"), row))
    assert [rows for rows in found.values() if len(rows) > 1] == [
        [
            ("figure6", "Baseline"),
            ("readings", "SBI w/ LAL"),
            ("table10", "Baseline"),
            ("table11", "SBI w/ LAL"),
            ("table2", "SBI w/ LAL"),
            ("table3", "LINE_AA, float32, 255, LAL"),
            ("table5", "color, frequency, affine"),
            ("table6", "target/source transform"),
            ("table7", "dynamic blend"),
            ("table8", "SBI"),
            ("table9", "SBI"),
        ],
        [
            ("figure6", "Ours"),
            ("readings", "ADFD"),
            ("readings", "A1 start = 0.2"),
            ("readings", "A4 threshold = 0.5"),
            ("table10", "Ours"),
            ("table11", "+ BBMG + NRS"),
            ("table13", "predicts, cosine"),
            ("table8", "Ours"),
            ("table9", "Ours"),
        ],
        [("readings", "A7 L2"), ("table13", "predicts, L2")],
        [("table11", "+ BBMG"), ("table12", "3")],
        [
            ("table2", "SBI w/ global mask"),
            ("table3", "LINE_8, uint8, 1, facehull"),
            ("table3", "LINE_8, uint8, 255, facehull"),
        ],
        [
            ("table3", "LINE_8, float32, 1, facehull"),
            ("table3", "LINE_AA, float32, 255, facehull"),
            ("table4", "Gaussian"),
        ],
        [("table8", "Face X-ray + BI"), ("table9", "Face X-ray + BI")],
    ]


MASK, GLOBAL = "pseudofake.mask", {"line": "line_8", "dtype": "uint8", "value": 1}


@pytest.mark.parametrize(
    ("name", "plain", "expected"),
    [
        (
            "table2",
            "SBI w/ LAL",
            [
                {f"{MASK}.kind": "hull", **{f"{MASK}.draw.{key}": value for key, value in GLOBAL.items()}},
                {},
                {f"{MASK}.kind": "local"},
                {f"{MASK}.kind": "lal_or_local"},
            ],
        ),
        ("table4", "Gaussian", [{}, {"pseudofake.boundary.blur": "average"}, {"pseudofake.boundary.blur": "median"}]),
        (
            "table5",
            "color, frequency, affine",
            [
                {},
                {"pseudofake.changes.colour": False},
                {"pseudofake.changes.frequency": False},
                {"pseudofake.displacement.affine": False, "pseudofake.displacement.elastic": False},
            ],
        ),
        (
            "table6",
            "target/source transform",
            [*({"pseudofake.changes.applied_to": part} for part in ("source", "target", "both")), {}],
        ),
        ("table7", "dynamic blend", [{}, {"pseudofake.ratios": [1.0]}]),
        (
            "table11",
            "+ BBMG + NRS",
            [{"model_name": "sbi", f"{MASK}.kind": "lal"}, {"options.nrs": False}, {f"{MASK}.kind": "lal"}, {}],
        ),
        ("table12", "3", [{f"{MASK}.bbmg": "glo"}, {f"{MASK}.bbmg": "narrowed"}, {}]),
        (
            "table13",
            "predicts, cosine",
            [
                {"options.filter": "random"},
                {"options.filter": "random", "options.distance": "l2"},
                {},
                {"options.distance": "l2"},
            ],
        ),
    ],
)
def test_rows_differ_in_what_the_table_is_about(name: str, plain: str, expected: list[dict[str, Any]]):
    trained = configs(f"adfd_{name}")
    assert [changes(config, trained[plain]) for config in trained.values()] == expected


def test_masks_of_table_3_are_drawn_as_its_rows_say():
    """Rows that have one training have the same pixels; the hull is slanted, so that line types show in bytes."""
    landmarks = np.random.default_rng(3).normal((64, 64), 17, (81, 2)).clip(2, 126)
    shape, masks = (128, 128), {}
    for row, config in configs("adfd_table3").items():
        line, dtype, value, size = row.split(", ")
        asked = Draw(line=line.lower(), dtype=dtype, value=int(value))
        assert config.pseudofake is not None
        mask = config.pseudofake.mask
        if size == "LAL":
            for kind in LAL_KINDS:
                expected = lal_mask(kind, landmarks, shape, asked)
                np.testing.assert_array_equal(lal_mask(kind, landmarks, shape, mask.draw), expected)
            assert mask.kind == "lal"
        else:
            masks[row] = hull_mask(landmarks, shape, asked)
            found = hull_mask(landmarks, shape, mask.draw or Draw())
            assert found.dtype == masks[row].dtype
            np.testing.assert_array_equal(found, masks[row])
            assert mask.kind == "hull"
    assert len({mask.tobytes() for mask in masks.values()}) == 3


def test_averages_are_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the row of SBI w/ LAL, which stands in Tables 2, 8 and 11, and of two lines of Table 10."""
    raw = {"FF++": 99.56, "CDF": 91.23, "DFDC": 72.10, "DFDCP": 86.25, "FFIW": 83.68}
    monkeypatch.setattr(
        "benchmark.suites.readings.Reading.value",
        lambda _, column: raw[column.heading.split()[0]] - ("(s=128)" in column.group.title),
    )
    for name, expected in [
        ("table2", {"Avg": 86.56, "Avg w/o FF++": 83.32}),
        ("table8", {"Avg": 83.32}),
        ("table11", {"Avg": 83.32}),
    ]:
        suite = load_config(SuiteConfig, f"adfd_{name}")
        table = suite_table(plan_suite("mine", suite, tmp_path, tmp_path))
        measured = table.values[table.rows.index(suite.rows[0].name)]
        found = dict(zip((column.name for column in table.columns), measured, strict=True))
        assert {key: found[key] for key in expected} == pytest.approx(expected, abs=0.00501)
    table = suite_table(plan_suite("mine", load_config(SuiteConfig, "adfd_table10"), tmp_path, tmp_path))
    means = {
        column.group: value
        for column, value in zip(table.columns, table.values[0], strict=True)
        if column.name == "Avg"
    }
    assert means == pytest.approx({group: 83.315 - ("s=128" in group) for group in means})
    assert len(means) == 7


def test_perturbations_of_table_10_are_as_strong_as_their_headings_say():
    levels = load_suite("adfd_table10").levels
    found = {}
    for column in suite_columns(load_config(SuiteConfig, "adfd_table10").columns):
        if column.perturbation:
            level = levels[column.perturbation][column.level - 1]
            found.setdefault(column.group.title, set()).add((column.perturbation, *level.model_dump().values()))
    kinds = {"Resize": "resize", "GaussianBlur": "gaussian_blur", "JPEGCompress": "jpeg"}
    for title, (level,) in found.items():
        kind, strength = re.fullmatch(r"(\w+) \([skq]=(\d+)\)", title).groups()
        assert level[0] == kinds[kind]
        assert int(strength) in level
    assert len(found) == 6


def test_figure_5_sweeps_the_kernels_of_its_presets():
    rows, trained = load_config(SuiteConfig, "adfd_figure5").rows, configs("adfd_figure5")
    for row in rows:
        assert isinstance(row, SweptRow)
        preset = load_config(DetectorConfig, "sbi", [f"pseudofake=adfd_figure5/kernel_{row.value}"])
        assert trained[row.name] == preset
    assert [row.point for row in rows if isinstance(row, SweptRow)] == list(range(3, 28, 4))


def test_readings_differ_from_the_method_in_one_key():
    trained = configs("adfd_readings")
    plain, sbi = trained["ADFD"], trained["SBI w/ LAL"]
    found = {row: changes(config, plain) for row, config in trained.items() if config.model_name == "adfd"}
    assert {row: len(change) for row, change in found.items() if len(change) != 1} == {
        "ADFD": 0,
        "A1 start = 0.2": 0,
        "A4 threshold = 0.5": 0,
        "A7 L2 of the cosine's reach": 2,
    }
    for start in (2, 50):
        assert trained[f"A1 start = {start / 100:g}"] == load_config(DetectorConfig, f"adfd/start_{start}")
    for blur in ("average", "median"):
        assert changes(trained[f"A10 {blur} on LAL"], sbi) == {"pseudofake.boundary.blur": blur}
