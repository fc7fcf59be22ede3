"""What a suite is made of, what decides a cell's address, and what stands in for its data sets on the demo."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.demo.prepare import reconstruct_demo
from benchmark.demo.sets import PLANS
from benchmark.suites.cells import Address
from benchmark.suites.columns import measured_columns
from benchmark.suites.cost import Costs, Pace
from benchmark.suites.plan import State, plan_suite, status
from benchmark.suites.stand_ins import on_the_demo
from benchmark.suites.table import suite_table
from config.errors import InputError
from config.load import config_names, load_config, validate
from config.schema import DatasetConfig, DetectorConfig
from config.suite import SuiteColumns, SuiteConfig
from detectors import DETECTOR
from preprocessing.manifest import manifest_meta, read_manifest, write_manifest
from preprocessing.pipeline import manifest_path
from tests.dfb import write_ffpp

FFPP = "FaceForensics++"


def suite_of(**changes) -> SuiteConfig:
    rows = [{"name": "B4", "detector": "efficientnetb4"}, {"name": "Xception", "detector": "xception"}]
    columns = [{"metric": "frame_auc", "test": [FFPP, "Celeb-DF-v2"]}]
    return validate(SuiteConfig, {"title": "A table", "rows": rows, "columns": columns, **changes}, "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": []}, "rows"),
        ({"rows": [{"name": "A", "detector": "sbi"}, {"name": "A", "detector": "vht"}]}, "two are called 'A'"),
        ({"columns": [{"metrik": "frame_auc", "test": [FFPP]}]}, "did you mean 'columns.metric'"),
        ({"rows": "A"}, "rows: expected a list, not 'A'"),
        ({"columns": [{"test": [FFPP], "metric": "frame_tpr_at_1pct"}]}, "frame_tpr_at_1pct .* name in 'threshold_on'"),
        ({"columns": [{"test": [FFPP], "levels": [1]}]}, "levels: expected a perturbation suite"),
        ({"columns": [{"test": [FFPP], "metric": "mpd"}]}, "mpd is measured under a perturbation suite"),
        (
            {"columns": [{"test": [FFPP], "metric": "mpd", "perturb": "levels", "relative": True}]},
            "name relative_mpd as the metric instead",
        ),
    ],
)
def test_bad_suites_are_refused_in_a_sentence(changes, message: str):
    with pytest.raises(InputError, match=message):
        suite_of(**changes)


@pytest.mark.parametrize("name", config_names(SuiteConfig))
def test_shipped_suites_can_be_planned(name: str, tmp_path: Path):
    plan = plan_suite(name, load_config(SuiteConfig, name), tmp_path, tmp_path)
    assert {status(cell).state for cell in plan.cells} == {State.WAITS}
    assert all(list(measured_columns(group)) for group in plan.suite.columns)


@pytest.fixture(scope="module")
def demo_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few faces of each of the demo's data sets, with the reconstructions that FIA-USA's fakes are made of."""
    data = tmp_path_factory.mktemp("demo_like")
    for profile in ("dfb", "sbi"):
        for name in PLANS:
            write_ffpp(data, dataset=name, profile=profile)
            manifest = manifest_path(data, profile, name)
            parts = {part: ["FF-real", "FF-DF"] for part in load_config(DatasetConfig, name).parts}
            rows, meta = read_manifest(manifest), manifest_meta(manifest)
            write_manifest(manifest, rows.to_dict("records"), meta | {"parts": parts})
        configs = [load_config(DetectorConfig, "fia_usa")]
        reconstruct_demo(configs, data, profile, "cpu", Console(file=io.StringIO()))
    return data


@pytest.mark.parametrize("name", config_names(SuiteConfig))
def test_shipped_suites_can_be_planned_on_the_demo(name: str, demo_like: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmark.demo.light.Light.epochs", lambda *_: 1)
    suite = on_the_demo(load_config(SuiteConfig, name), demo_like, 0)
    plan = plan_suite(name, suite, demo_like, demo_like)
    assert {status(cell).state for cell in plan.cells} == {State.TO_RUN}


def test_cells_are_a_run_for_each_row_and_seed_and_scores_for_each_test_set(tmp_path: Path):
    columns = [
        {"metric": "frame_auc", "test": [FFPP, "Celeb-DF-v2"]},
        {"metric": "video_auc", "test": [FFPP]},
        {"metric": "frame_auc", "test": [FFPP], "perturb": "levels"},
        {"metric": "mpd", "test": [FFPP], "perturb": "levels"},
    ]
    plan = plan_suite("mine", suite_of(columns=columns, seeds=[1, 2], threshold_on=[FFPP]), tmp_path, tmp_path)
    assert [(entry.row.name, entry.cell.config.manualSeed) for entry in plan.trained] == [
        ("B4", 1),
        ("B4", 2),
        ("Xception", 1),
        ("Xception", 2),
    ]
    scores = plan.trained[0].scores
    assert list(scores) == [
        (FFPP, "val", None),
        (FFPP, "test", None),
        ("Celeb-DF-v2", "test", None),
        (FFPP, "test", "levels"),
    ]
    assert [cell.with_features for cell in scores.values()] == [False, False, False, True]


def test_columns_that_cannot_be_told_apart_are_refused(tmp_path: Path):
    one = {"metric": "frame_auc", "test": [FFPP], "perturb": "levels", "perturbations": ["jpeg"], "levels": [1]}
    columns = [one, one | {"levels": [2]}]
    with pytest.raises(InputError, match="two are called 'frame AUC, levels jpeg'; give one of their groups a title"):
        plan_suite("mine", suite_of(columns=columns), tmp_path, tmp_path)
    plan_suite("mine", suite_of(columns=[columns[0], columns[1] | {"title": "stronger"}]), tmp_path, tmp_path)


def test_an_average_is_over_its_own_groups_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    values = {"A": 1, "B": 2, "C": 4}
    monkeypatch.setattr("benchmark.suites.readings.Reading.value", lambda _, column: values[column.heading])
    columns = [{"test": {"A": FFPP}, "averages": {"One": []}}]
    columns += [{"test": {"B": FFPP, "C": FFPP}, "averages": {"Two": []}}]
    table = suite_table(plan_suite("mine", suite_of(columns=columns), tmp_path, tmp_path))
    assert [column.name for column in table.columns] == ["A", "B", "C", "One", "Two"]
    assert table.values == ((1, 2, 4, 1, 3),) * 2


def test_an_average_over_what_its_group_lacks_is_refused_before_anything_runs(tmp_path: Path):
    columns = [{"test": {"A": FFPP}}, {"test": {"CDF": "Celeb-DF-v2"}, "title": "Other", "averages": {"Avg.": ["CDf"]}}]
    with pytest.raises(InputError, match=r"unknown column in averages, Avg\.: 'CDf'; did you mean 'CDF'"):
        plan_suite("mine", suite_of(columns=columns), tmp_path, tmp_path)


def test_rows_are_chosen_by_pattern(tmp_path: Path):
    assert [entry.row.name for entry in plan_suite("mine", suite_of(), tmp_path, tmp_path, ["X*"]).trained] == [
        "Xception"
    ]
    with pytest.raises(InputError, match="did you mean 'Xception'"):
        plan_suite("mine", suite_of(), tmp_path, tmp_path, ["Xcepton"])


FLIP = {"name": "flip", "detector": "xception", "sweep": {"key": "data_aug.flip_prob", "values": [0.1, 0.2]}}
SWEEP = {"name": "seed", "detector": "efficientnet_lite0", "sweep": {"key": "manualSeed", "values": [1, 2]}}


def test_rows_of_a_sweep_are_rows_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_ffpp(tmp_path)
    alone = {"name": "alone", "detector": "efficientnet_lite0", "set": ["manualSeed=2"]}
    suite = suite_of(rows=[SWEEP, alone], columns=[{"test": [FFPP]}], train=[FFPP])
    plan = plan_suite("mine", suite, tmp_path, tmp_path)
    assert [entry.row.name for entry in plan.trained] == ["seed = 1", "seed = 2", "alone"]
    first, second, third = (entry.cell.folder for entry in plan.trained)
    assert first != second == third
    assert suite_table(plan).rows == ("seed = 1", "seed = 2", "alone")
    chosen = plan_suite("mine", suite, tmp_path, tmp_path, ["seed*"]).trained
    assert [entry.cell.config.manualSeed for entry in chosen] == [1, 2]
    with pytest.raises(InputError, match="did you mean 'seed = 2'"):
        plan_suite("mine", suite, tmp_path, tmp_path, ["seed=2"])
    monkeypatch.setattr("benchmark.demo.light.Light.epochs", lambda *_: 1)
    light = plan_suite("mine", on_the_demo(suite_of(rows=[FLIP]), tmp_path, 0), tmp_path, tmp_path)
    assert [entry.cell.config.data_aug.flip_prob for entry in light.trained] == [0.1, 0.2]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("nEpoch", "unknown key in --set nEpoch=1: 'nEpoch'; did you mean 'nEpochs'"),
        ("options.bridge", "unknown key in row 'A = 1': options of prodet: 'bridge'; did you mean 'bridge"),
        ("variant", "unknown detector 'prodet/1'; did you mean 'prodet/"),
    ],
)
def test_a_swept_key_that_is_not_there_is_answered_before_anything_runs(tmp_path: Path, key: str, message: str):
    row = {"name": "A", "detector": "prodet", "sweep": {"key": key, "values": [1]}}
    with pytest.raises(InputError, match=message):
        plan_suite("mine", suite_of(rows=[row]), tmp_path, tmp_path)


def train_address(data: Path, **changes) -> Address:
    row = {"name": "A", "detector": "efficientnet_lite0", **changes}
    suite = suite_of(rows=[row], columns=[{"test": [FFPP]}])
    return plan_suite("mine", suite, data, data).trained[0].cell.address


def test_a_runs_address_is_of_what_decides_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "data"
    write_ffpp(data)
    address = train_address(data)
    assert train_address(data, set=["workers=3", "test_batchSize=5"]) == address
    assert train_address(data, name="another row") == address
    assert train_address(data, set=["manualSeed=3"]).sha256 != address.sha256
    assert train_address(data, set=["optimizer.adam.lr=0.1"]).sha256 != address.sha256
    monkeypatch.setattr(DETECTOR["efficientnet_lite0"], "version", 2)
    assert train_address(data).sha256 != address.sha256
    monkeypatch.undo()
    manifest = manifest_path(data, "dfb", FFPP)
    rows, meta = read_manifest(manifest), manifest_meta(manifest)
    write_manifest(
        manifest,
        rows.drop(index=rows.index[(rows["split"] == "train") & (rows["skip"] == "")][-1]).to_dict("records"),
        meta,
    )
    fewer = train_address(data)
    assert fewer.sha256 != address.sha256
    write_manifest(manifest, rows.to_dict("records"), meta)
    assert train_address(data) == address


def test_a_folder_is_finished_only_with_its_own_address(tmp_path: Path):
    mine, other = Address({"seed": 1, "rows": None}), Address({"seed": 2, "rows": None})
    assert not mine.is_of(tmp_path)
    mine.write(tmp_path)
    assert mine.is_of(tmp_path)
    assert Address({"rows": None, "seed": 1}).is_of(tmp_path)
    assert not other.is_of(tmp_path)
    assert mine.short == mine.sha256[:10] != other.short


def test_what_is_missing_is_waited_for_by_name(tmp_path: Path):
    write_ffpp(tmp_path)
    plan = plan_suite("mine", suite_of(), tmp_path, tmp_path)
    train, within, across = plan.trained[0].cells
    assert status(train).state == status(within).state == State.TO_RUN
    found = status(across)
    assert found.state == State.WAITS
    assert list(found.waits_for) == ["Celeb-DF-v2"]
    assert "assay preprocess Celeb-DF-v2" in found.waits_for["Celeb-DF-v2"]


def test_costs_are_images_times_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The card expects 5 x 720 videos to train on, 5 x 140 for val and 5 x 140 for test, 32 frames each."""
    monkeypatch.setattr("benchmark.suites.cost.measure_pace", lambda config, device: Pace(0.5, 0.25))
    columns = [{"test": [FFPP]}, {"test": [FFPP], "perturb": "levels", "perturbations": ["jpeg"], "levels": [1]}]
    plan = plan_suite("mine", suite_of(columns=columns), tmp_path, tmp_path)
    train, clean, perturbed = plan.trained[0].cells
    costs, epochs = Costs("cpu"), train.config.nEpochs
    trained = epochs * 32 * (5 * 720 * 0.5 + 5 * 140 * 0.25)
    assert costs.seconds(train) == trained
    assert costs.seconds(clean) == 32 * 5 * 140 * 0.25
    assert perturbed.perturb is not None
    assert costs.seconds(perturbed) == 32 * 5 * 140 * 0.25 * len(perturbed.perturb.variants)
    monkeypatch.setattr("benchmark.suites.cost.measure_pace", lambda config, device: Pace(0.5, 0.25, passes=2))
    looking = Costs("cpu")
    assert looking.seconds(train) == trained + 2 * 32 * 5 * 720 * 0.25, "forward alone, over the images of an epoch"
    assert looking.seconds(clean) == costs.seconds(clean)
    write_ffpp(tmp_path)
    there = plan_suite("mine", suite_of(columns=columns), tmp_path, tmp_path).trained[0].cells[1]
    assert costs.seconds(there) == (there.rows["skip"] == "").sum() * 0.25


def test_what_does_not_change_a_step_is_not_timed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    timed: list[str] = []
    monkeypatch.setattr(
        "benchmark.suites.cost.measure_pace", lambda config, device: timed.append(config.model_name) or Pace(1, 1)
    )
    weights = {
        "name": "λ",
        "detector": "realid",
        "sweep": {"key": "options.diversity_weight", "values": [0.0, 0.2, 2.0]},
    }
    rows = [weights, {"name": "B4", "detector": "sbi"}, {"name": "hull", "detector": "sbi", "set": ["pseudofake=cbi"]}]
    plan = plan_suite("mine", suite_of(rows=rows), tmp_path, tmp_path)
    costs = Costs("cpu")
    for entry in plan.trained:
        costs.seconds(entry.cell)
    assert timed == ["realid", "realid", "sbi"], "a weight of 0 leaves a loss out; how large it is, costs nothing"
    together = Costs("cpu", apart=False)
    for entry in plan.trained:
        together.seconds(entry.cell)
    assert timed[3:] == ["realid", "sbi"]


def test_on_the_demo_its_data_sets_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmark.demo.light.Light.epochs", lambda *_: 3)
    columns = [{"metric": "frame_auc", "test": {"FF++": FFPP, "DF": "FF-DF", "CDF": "Celeb-DF-v2", "DFDC": "DFDC"}}]
    found = on_the_demo(suite_of(columns=columns, threshold_on=[FFPP]), tmp_path, seed=5)
    assert found.columns[0].test == {
        "FF++": "DemoFF",
        "DF": "DemoFF-LinearAutoencoder",
        "CDF": "DemoX",
        "DFDC": "DemoX",
    }
    assert (found.train, found.threshold_on) == (("DemoFF",), ("DemoFF",))
    assert found.footnotes == (
        f"DemoFF in place of {FFPP}; DemoFF-LinearAutoencoder in place of FF-DF",
        "DemoX in place of Celeb-DF-v2, DFDC",
    )
    configs = [entry.cell.config for entry in plan_suite("mine", found, tmp_path, tmp_path).trained]
    assert [config.backbone_name for config in configs] == ["efficientnet_lite0"] * 2
    assert [(config.nEpochs, config.manualSeed, config.train_dataset) for config in configs] == [(3, 5, ["DemoFF"])] * 2


def test_headings_say_what_varies():
    one = SuiteColumns(test={"FF++": FFPP}, perturb="levels", perturbations=("jpeg",), levels=(1, 3))
    assert [column.heading for column in measured_columns(one)] == ["jpeg 1", "jpeg 3"]
    two = one.model_copy(update={"test": {"A": FFPP, "B": "DFDC"}, "levels": (2,)})
    assert [column.heading for column in measured_columns(two)] == ["A jpeg", "B jpeg"]
    with pytest.raises(InputError, match="no level 6"):
        list(measured_columns(one.model_copy(update={"levels": (6,)})))
    with pytest.raises(InputError, match="did you mean 'jpeg'"):
        list(measured_columns(one.model_copy(update={"perturbations": ("jpg",)})))
