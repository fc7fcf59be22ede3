"""FIA-USA's suites: rows are what their names say and differ in nothing else; columns and averages are the paper's."""

from pathlib import Path
from typing import Any, get_args

import pytest

from benchmark.suites.columns import suite_columns
from benchmark.suites.plan import plan_suite
from benchmark.suites.table import suite_table
from config.figure import CamFigure, ExamplesFigure
from config.load import config_names, load_config, to_yaml, variant_names
from config.pseudofake import PseudoFakeConfig
from config.schema import DatasetConfig
from config.suite import SuiteConfig
from detectors.fia_usa.detector import FIAUSAOptions
from tests.benchmark.suites.rows import changes, configs

SUITES = [name for name in config_names(SuiteConfig) if name.startswith("fia_usa")]
DEEPFAKEBENCH = ["fia_usa_figure18", "fia_usa_table2", "fia_usa_table5", "fia_usa_table9a"]
FROM_REALS = {"Face X-ray", "Face X-Ray", "FWA", "SBI"}
"""Of the rows that are not of the method."""


@pytest.mark.parametrize("name", SUITES)
def test_the_method_learns_from_reals_alone_at_the_size_of_its_crops(name: str):
    suite = load_config(SuiteConfig, name)
    assert suite.profile == ("dfb" if name in DEEPFAKEBENCH else "sbi")
    for row, config in configs(name).items():
        assert (config.train_dataset, config.compression) == (["FaceForensics++"], "c23")
        assert (config.dataset_type == "real_with_pseudofake") == (row in FROM_REALS or config.model_name == "fia_usa")
        if config.model_name == "fia_usa":
            assert config.resolution == (256 if name in DEEPFAKEBENCH else 380)


def test_a_training_is_shared_by_all_tables_that_have_it():
    found: dict[str, list[tuple[str, str]]] = {}
    for name in SUITES:
        for row, config in configs(name).items():
            found.setdefault(to_yaml(config), []).append((name.removeprefix("fia_usa_"), row))
    assert [rows for rows in found.values() if len(rows) > 1] == [
        [("figure18", "Ours"), ("table2", "Ours"), ("table5", "Ours"), ("table9a", "Ours")],
        [("figure3", "Face X-Ray"), ("table3", "Face X-Ray")],
        [("figure3", "SBI"), ("table3", "SBI"), ("table4", "SBI"), ("table9b", "SBI")],
        [
            ("figure3", "Ours"),
            ("figure4", "Ours"),
            ("readings", "FIA-USA"),
            ("readings", "boundary = 0.05"),
            ("table3", "Ours"),
            ("table4", "Ours"),
            ("table6a", "Ours"),
            ("table6b", "Effb4"),
            ("table6c", "1, 2.5, 0.25"),
            ("table8", "FPN (AFFS) + RCR"),
            ("table9b", "Ours"),
        ],
        [("table2", "F3Net"), ("table4", "F3-Net"), ("table9b", "F3-Net")],
        [("table2", "CORE"), ("table5", "CORE")],
        [("table2", "Recce"), ("table5", "RECCE")],
        [("table2", "SBI"), ("table5", "SBI")],
        [("table2", "UCF"), ("table5", "UCF")],
        [("table2", "ProDet"), ("table5", "ProgressiveDet")],
        [("table4", "EfficientNet"), ("table9b", "EfficientNet")],
        [("table6a", "w/o RCR"), ("table8", "FPN (AFFS)")],
    ]
    mine, prodets = configs("fia_usa_table2"), configs("prodet_table1")
    other_names = {"Face X-ray": "X-ray", "CapsuleNet": "Capsule", "ProDet": "ProDet (Ours)"}
    del mine["Ours"]
    assert mine == {row: prodets[other_names.get(row, row)] for row in mine}


PATCH, IMAGE = "options.patch_weight", "options.image_weight"


@pytest.mark.parametrize(
    ("name", "plain", "expected"),
    [
        (
            "table6a",
            "Ours",
            [
                {"pseudofake.mask.mtms": ["hull"]},
                {"pseudofake.reconstruction.super_resolution": 0.0},
                {"pseudofake.reconstruction.autoencoder": 0.0},
                None,
                {PATCH: 0.0},
                {IMAGE: 0.0},
                {PATCH: 0.0, IMAGE: 0.0},
                {"options.affs": False},
                {},
            ],
        ),
        ("table6b", "Effb4", [*({"backbone_name": name} for name in ("resnet50", "resnet101", "efficientnetb1")), {}]),
        (
            "table6c",
            "1, 2.5, 0.25",
            [{PATCH: 1.0, IMAGE: 1.0}, {PATCH: 1.0}, {IMAGE: 1.0}, {PATCH: 0.25, IMAGE: 2.5}, {}],
        ),
        ("table8", "FPN (AFFS) + RCR", [{PATCH: 0.0, IMAGE: 0.0}, {}]),
    ],
)
def test_rows_differ_in_what_the_table_is_about(name: str, plain: str, expected: list[dict[str, Any] | None]):
    trained = configs(f"fia_usa_{name}")
    for config, wanted in zip(trained.values(), expected, strict=True):
        found = changes(config, trained[plain])
        if wanted is None:  # the row with SBI's fakes has the same network
            assert {key.partition(".")[0] for key in found} == {"pseudofake"}
            assert config.pseudofake == configs("fia_usa_table3")["SBI"].pseudofake
        else:
            assert found == wanted


def test_rows_of_table_6c_are_named_by_their_weights():
    for row, config in configs("fia_usa_table6c").items():
        weights = config.options["patch_weight"], config.options["image_weight"]
        assert row == ", ".join(f"{weight:g}" for weight in (1, *weights))


@pytest.mark.parametrize(
    ("name", "values", "printed"),
    [
        ("table2", [0.901, 0.867, 0.821, 0.818], 0.852),
        ("table5", [91.8, 87.5, 83.0, 86.3, 87.4, 91.0], 87.8),
        ("table6a", [91.99, 87.06, 88.00, 71.93], 84.74),
        ("table6b", [91.88, 82.30, 83.73, 70.69], 82.15),
        ("table6c", [90.86, 85.01, 89.91, 70.19], 83.99),
        ("table8", [0.901, 0.861], 0.881),
    ],
)
def test_averages_are_the_papers(
    name: str, values: list[float], printed: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of one row of each table that has averages."""
    suite = load_config(SuiteConfig, f"fia_usa_{name}")
    given = dict(zip((column.heading for column in suite_columns(suite.columns)), values, strict=False))
    monkeypatch.setattr("benchmark.suites.readings.Reading.value", lambda _, column: given[column.heading])
    table = suite_table(plan_suite("mine", suite, tmp_path, tmp_path))
    assert table.columns[-1].name == "Avg."
    digits = 0.0005 if printed < 1 else 0.05 if name == "table5" else 0.005
    assert table.values[table.rows.index(suite.rows[0].name)][-1] == pytest.approx(printed, abs=1.01 * digits)


def fakes_of(part: str, *datasets: str) -> set[str]:
    """The fakes of a part of one of some data sets."""
    for card in (load_config(DatasetConfig, name) for name in datasets):
        if part in card.parts:
            fakes = {one.class_name: one.method for one in card.classes if one.label == 1}
            assert {one.label for one in card.classes if one.class_name in card.parts[part]} == {0, 1}
            return {fakes[name] for name in card.parts[part] if name in fakes}
    raise AssertionError(part)


def test_table_9a_has_each_of_the_forty_methods_once():
    (group,) = load_config(SuiteConfig, "fia_usa_table9a").columns
    assert len(group.test) == 40
    found = {heading: fakes_of(part, "DF40-ff", "DF40-own") for heading, part in group.test.items()}
    assert {heading: method for heading, (method,) in found.items() if heading != method} == {
        "RDDM": "rddm",
        "whichfaceisreal": "whichisreal",
    }
    every = {one.method for name in ("DF40-ff", "DF40-own") for one in load_config(DatasetConfig, name).classes}
    assert set.union(*found.values()) == every - {"real"}


def test_diff_is_four_kinds_and_thirteen_generators():
    kinds, generators = (
        [fakes_of(part, "DiFF") for part in load_config(SuiteConfig, f"fia_usa_{name}").columns[0].test.values()]
        for name in ("table4", "table9b")
    )
    assert [len(kind) for kind in kinds] == [4, 4, 2, 3]
    assert all(len(generator) == 1 for generator in generators)
    assert len(generators) == 13
    assert set.union(*generators) == set.union(*kinds)


def test_figure_3_is_of_videos_at_five_levels_of_four_perturbations():
    suite = load_config(SuiteConfig, "fia_usa_figure3")
    columns = [(column.perturbation, column.level) for column in suite_columns(suite.columns)]
    names = ("gaussian_blur", "block_wise", "contrast", "jpeg")
    assert columns == [(name, level) for name in names for level in range(1, 6)]
    (group,), (figure,) = suite.columns, suite.figures
    assert (group.metric, group.relative) == (figure.metric, figure.relative) == ("video_auc", True)


def test_every_other_reading_is_a_row_that_differs_in_nothing_else():
    """All values of the options that are readings, and all variants of the fakes that are no row of Table 6a."""
    trained = configs("fia_usa_readings")
    found = {row: changes(config, trained["FIA-USA"]) for row, config in trained.items()}
    options = {item for change in found.values() for item in change.items() if item[0].startswith("options")}
    readings = {("options.edge", 0.0), ("options.edge", 0.25)}
    for key in ("difference", "similarity", "regularised", "head"):
        field = FIAUSAOptions.model_fields[key]
        readings |= {(f"options.{key}", value) for value in get_args(field.annotation) if value != field.default}
    assert options == readings
    fakes = [trained[row].pseudofake for row in trained if "pseudofake" in str(found[row])]
    variants = [name for name in variant_names(PseudoFakeConfig, "fia_usa") if "/wo_" not in name]
    expected = [load_config(PseudoFakeConfig, name) for name in variants]
    titles = {"title": ""}
    assert {one and one.model_copy(update=titles) for one in fakes} == {
        one.model_copy(update=titles) for one in expected
    }
    assert {row for row, change in found.items() if not change} == {"FIA-USA", "boundary = 0.05"}
    assert all(len({key.rpartition(".")[0] for key in change}) == 1 for change in found.values() if change)


def test_figure_4_has_a_mask_for_every_data_set():
    figures = load_config(SuiteConfig, "fia_usa_figure4").figures
    made = {figure.test for figure in figures if isinstance(figure, CamFigure) and figure.pseudofake == "fia_usa"}
    assert {figure.test for figure in figures if isinstance(figure, CamFigure)} == {*made, "FaceForensics++"}


def test_figures_18_to_22_show_what_is_misjudged_of_the_columns_of_table_5():
    suite = load_config(SuiteConfig, "fia_usa_figure18")
    shown = {figure.file: dict(figure.test) for figure in suite.figures if isinstance(figure, ExamplesFigure)}
    assert {name: part for name, test in shown.items() for part in test.values()} == suite.columns[0].test
    assert all(figure.needs_thresholds for figure in suite.figures)
    assert suite.threshold_on == ("FaceForensics++",)
