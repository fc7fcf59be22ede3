"""RealID's suites: what their rows train, and that both kinds of training data are measured alike."""

from pathlib import Path
from typing import get_args

import pytest

from benchmark.suites.plan import plan_suite
from config.load import config_names, load_config
from config.row import SweptRow
from config.suite import SuiteConfig
from detectors.realid.detector import RealIDOptions
from tests.benchmark.suites.rows import configs

LITERAL = [name for name in config_names(SuiteConfig) if name.startswith("realid") and not name.endswith("_sbi")]
WEIGHTS = {"λ1": "diversity_weight", "λ2": "distinction_weight", "λ3": "regulariser_weight"}


def options(name: str) -> dict[str, RealIDOptions]:
    return {row: RealIDOptions.model_validate(config.options) for row, config in configs(name).items()}


@pytest.mark.parametrize("name", LITERAL)
def test_self_blended_fakes_are_measured_as_the_printed_data_is(name: str):
    literal, blended = load_config(SuiteConfig, name), load_config(SuiteConfig, f"{name}_sbi")
    assert (literal.profile, blended.profile) == ("dfb", "sbi")
    assert [(group.metric, group.test) for group in literal.columns] == [
        (group.metric, group.test) for group in blended.columns
    ]
    assert [figure.file for figure in literal.figures] == [figure.file for figure in blended.figures]
    assert set(configs(f"{name}_sbi")) <= set(configs(name))
    assert {config.dataset_type for config in configs(f"{name}_sbi").values()} == {"real_with_pseudofake"}
    for config in configs(name).values():
        if config.model_name == "realid":
            assert (config.train_dataset, config.dataset_type) == (["FaceForensics++5"], "balanced")


@pytest.mark.parametrize("kind", ["", "_sbi"])
def test_tables_share_what_they_have_in_common(kind: str):
    first, modules, losses = (configs(f"realid_table{number}{kind}") for number in (1, 3, 4))
    readings, figure = configs(f"realid_readings{kind}"), configs(f"realid_figure1{kind}")
    whole = first["RealID"]
    same = (modules["+ RealC2 + IDC"], losses["both (RealID)"], readings["RealID"], figure["RealID"])
    assert all(config == whole for config in same)
    assert first["EfficientNet"] == modules["Backbone"] == figure["Backbone"]
    assert first["SBI"] == figure["SBI"] == configs(f"realid_figure6{kind}")["SBI"]


@pytest.mark.parametrize("kind", ["", "_sbi"])
def test_modules_and_losses_are_on_where_the_paper_ticks_them(kind: str):
    def ticks(of: RealIDOptions) -> tuple[bool, bool, bool]:
        return of.diversity_weight > 0, of.distinction_weight > 0, of.idc

    found = [ticks(of) for name in ("table3", "table4") for of in options(f"realid_{name}{kind}").values()]
    modules = [(False, False, False), (True, True, False), (False, False, True), (True, True, True)]
    assert found == [*modules, (True, False, True), (False, True, True), (True, True, True)]


@pytest.mark.parametrize("kind", ["", "_sbi"])
def test_each_weight_is_swept_from_0_to_2_with_the_others_at_a_half(kind: str):
    rows, trained = load_config(SuiteConfig, f"realid_figure4{kind}").rows, options(f"realid_figure4{kind}")
    assert len(rows) == len(set(map(str, trained.values()))) == 33
    for row in rows:
        assert isinstance(row, SweptRow)
        own = WEIGHTS[row.curve]
        assert row.key == f"options.{own}"
        assert getattr(trained[row.name], own) == row.value
        assert {getattr(trained[row.name], other) for other in WEIGHTS.values() if other != own} == {0.5}
    values = [row.value for row in rows if isinstance(row, SweptRow) and row.curve == "λ1"]
    assert values == pytest.approx([step / 5 for step in range(11)])


@pytest.mark.parametrize("kind", ["", "_sbi"])
def test_every_other_reading_is_a_row_that_differs_in_nothing_else(kind: str):
    whole, *others = options(f"realid_readings{kind}").values()
    assert whole == RealIDOptions()
    changes = [
        {key: value for key, value in other.model_dump().items() if value != getattr(whole, key)} for other in others
    ]
    assert all(len(change) == 1 for change in changes)
    found = {item for change in changes for item in change.items()}
    readings = {("prototypes", count) for count in (4, 8, 16)}
    for key, field in RealIDOptions.model_fields.items():
        values = (True, False) if field.annotation is bool else get_args(field.annotation)
        readings |= {(key, value) for value in values if value != field.default and key != "idc"}
    assert found == readings


def test_backbones_are_normalised_as_their_weights_expect(tmp_path: Path):
    trained = configs("realid_table2_sbi")
    assert {config.backbone_name for config in trained.values()} == {"xception", "vit_l_32", "vit_b_16"}
    assert all((config.mean, config.std) == ((0.5,) * 3, (0.5,) * 3) for config in trained.values())
    plan = plan_suite("mine", load_config(SuiteConfig, "realid_table2"), tmp_path, tmp_path, ["ViT-?+RealID"])
    assert [entry.cell.config.resolution for entry in plan.trained] == [256, 256]
