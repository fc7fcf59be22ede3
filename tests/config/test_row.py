"""Rows of a suite, and what a sweep stands for."""

import pytest

from config.errors import InputError
from config.load import load_config, validate
from config.row import SuiteRow, SweptRow
from config.schema import DetectorConfig
from config.suite import SuiteConfig

LR = {"name": "lr", "detector": "xception", "set": ["nEpochs=1"]}


def suite_of(*rows: dict, **more) -> SuiteConfig:
    content = {"title": "A table", "rows": list(rows), "columns": [{"test": ["DFDC"]}]}
    return validate(SuiteConfig, content | more, "mine")


def test_a_sweep_is_a_row_for_each_value_in_its_place():
    values = [1e-05, 0.2, 1, "1e-4"]
    sweep = {"sweep": {"key": "optimizer.adam.lr", "values": values}}
    first, *swept, last = suite_of({"name": "A", "detector": "sbi"}, LR | sweep, {"name": "B", "detector": "vht"}).rows
    assert (first.name, last.name) == ("A", "B")
    assert [row.name for row in swept] == ["lr = 1.0e-05", "lr = 0.2", "lr = 1", "lr = 1e-4"]
    assert all(isinstance(row, SweptRow) and row.names == (row.name, "lr") for row in swept)
    configs = [load_config(DetectorConfig, row.detector, row.overrides(["DFDC"])) for row in swept]
    assert [config.optimizer.adam.lr for config in configs] == [1e-05, 0.2, 1.0, 1e-4]
    assert {(config.nEpochs, *config.train_dataset) for config in configs} == {(1, "DFDC")}


def test_the_swept_value_goes_over_the_rows_own_and_counts_as_set():
    (row,) = suite_of(LR | {"sweep": {"key": "nEpochs", "values": [7]}}).rows
    assert load_config(DetectorConfig, row.detector, row.overrides([])).nEpochs == 7
    with pytest.raises(InputError, match="row 'lr = 7' sets manualSeed as well"):
        suite_of(LR | {"sweep": {"key": "manualSeed", "values": [7]}}, seeds=[1])


def test_values_may_be_truths_nothing_names_and_variants():
    scalars = [True, 1, None, "imagenet"]
    rows = suite_of(LR | {"sweep": {"key": "options.any", "values": scalars}}).rows
    assert [row.name for row in rows] == ["lr = true", "lr = 1", "lr = null", "lr = imagenet"]
    found = [load_config(DetectorConfig, row.detector, row.overrides([])).options["any"] for row in rows]
    assert [(value, type(value)) for value in found] == [(value, type(value)) for value in scalars]
    assert [row.point for row in rows] == ["true", 1, "null", "imagenet"]
    assert isinstance(rows[0], SweptRow)
    variants = {"name": "B", "detector": "prodet", "sweep": {"key": "variant", "values": ["wo_lo", "toy"]}}
    rows = suite_of(variants).rows
    assert [(row.name, row.detector, row.set) for row in rows] == [
        ("B = wo_lo", "prodet/wo_lo", ()),
        ("B = toy", "prodet/toy", ()),
    ]


def test_a_swept_pseudofake_is_a_composition_or_a_key_of_one():
    by_name = {"name": "fake", "detector": "sbi", "sweep": {"key": "pseudofake", "values": ["sbi", "adfd"]}}
    by_key = {"name": "inner", "detector": "sbi", "sweep": {"key": "pseudofake.mask.inner_prob", "values": [0.5]}}
    rows = suite_of(by_name, by_key).rows
    sbi, adfd, inner = (load_config(DetectorConfig, row.detector, row.overrides([])).pseudofake for row in rows)
    assert sbi == load_config(DetectorConfig, "sbi").pseudofake != adfd
    assert inner is not None
    assert inner.mask.inner_prob == 0.5


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"key": "nEpochs", "values": []}, "rows.0.sweep.values: expected one value or more"),
        ({"key": "nEpochs"}, "rows.0.sweep.values: field required"),
        ({"key": "nEpochs", "values": [1, 2, 1.0]}, "rows.0.sweep.values: 1 is given twice"),
        ({"key": "nEpochs", "values": [1, "1"]}, "rows: two are called 'lr = 1'"),
        ({"key": "nEpochs", "values": 3}, "rows.0.sweep.values: expected a list, not 3"),
        ({"key": "nEpochs", "values": [[1]]}, r"expected a finite number, a word, true, false or null, not \[1\]"),
        ({"key": "nEpochs", "values": [float("nan")]}, "expected a finite number.*not nan"),
        ({"keys": "nEpochs", "values": [1]}, "did you mean 'rows.sweep.key'"),
        ("nEpochs", "rows.0.sweep: expected keys with values, not 'nEpochs'"),
    ],
)
def test_a_bad_sweep_is_refused_in_a_sentence(sweep, message: str):
    with pytest.raises(InputError, match=message):
        suite_of(LR | {"sweep": sweep})


def test_names_of_rows_and_sweeps_are_told_apart():
    one = LR | {"sweep": {"key": "nEpochs", "values": [1, 2]}}
    for other in (LR | {"name": "lr = 2"}, LR, one | {"sweep": {"key": "nEpochs", "values": [3]}}):
        with pytest.raises(InputError, match="rows: two are called 'lr"):
            suite_of(one, other)
    assert SuiteRow(name="A", detector="sbi").in_full() == [SuiteRow(name="A", detector="sbi")]
