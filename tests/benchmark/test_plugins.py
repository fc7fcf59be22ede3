"""`--plugin` with a detector file of DeepfakeBench: trained and evaluated as any detector, and named in the records."""

import hashlib
import json
from pathlib import Path

from benchmark.plugins import is_of_deepfakebench
from benchmark.train import RECORD, RunRecord
from evaluation.scores import ScoreRecord, read_scores
from tests.benchmark.deepfakebench.conftest import forgetting
from tests.benchmark.small_set import write_small_set

DATA = Path(__file__).parent.parent / "data"
STYLE = DATA / "deepfakebench_style.py"


def test_it_is_trained_and_evaluated_and_records_name_the_file_and_its_hash(assay, tmp_path: Path):
    data, run = write_small_set(tmp_path / "data"), tmp_path / "run"
    where = ("--data", data, "--device", "cpu", "--workers", 0, "--plugin", STYLE)
    small = [word for key in ("resolution=32", "nEpochs=2", "train_batchSize=4") for word in ("--set", key)]
    with forgetting():
        answer = assay("train", STYLE.with_suffix(".yaml"), "--train", "D", "--out", run, *small, *where)
        assert answer.code == 0, answer.err
    epochs = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    named = {"train/acc", "train/auc", "train/eer", "train/ap", "loss/cls", "loss/size", "val/auc"}
    assert all(named <= epoch.keys() for epoch in epochs if epoch["kind"] == "epoch")
    with forgetting():
        answer = assay("evaluate", run, "--test", "D", "--features", "--out", tmp_path / "out", *where)
        assert answer.code == 0, answer.err
    scores = tmp_path / "out" / "D" / "scores.parquet"
    assert read_scores(scores)["score"].between(0, 1).all()
    assert scores.with_name("features.parquet").is_file()
    digest = hashlib.sha256(STYLE.read_bytes()).hexdigest()
    record = RunRecord.read(run / RECORD)
    assert (record.plugin.name, record.plugin.sha256) == (STYLE.name, digest)
    assert record.initialisation == f"as {STYLE.name} does"
    notes = ScoreRecord.read(ScoreRecord.beside(scores)).notes
    assert f"ridge: defined by the plugin {STYLE.name}, sha256 {digest[:12]}" in notes


def test_what_it_imports_tells_whose_style_a_file_is_in(tmp_path: Path):
    assert is_of_deepfakebench(STYLE)
    assert not is_of_deepfakebench(DATA / "plugin_detector.py")
    assert not is_of_deepfakebench(tmp_path / "none.py")
    mine = tmp_path / "mine.py"
    for code, expected in {
        "from .base_detector import AbstractDetector": True,
        "def f():\n    import metrics.registry": True,
        "from .abstract_loss_func import AbstractLossClass": True,
        "import lossless\nfrom sklearn import metrics": False,
        "def (:": False,
    }.items():
        mine.write_text(code)
        assert is_of_deepfakebench(mine) is expected


def test_a_key_that_the_file_needs_and_the_yaml_lacks_is_one_sentence(assay, tmp_path: Path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(STYLE.with_suffix(".yaml").read_text().replace("{width: 8}", "{widht: 8}"))
    with forgetting():
        answer = assay("train", mine, "--train", "D", "--data", tmp_path, "--plugin", STYLE)
    assert answer.code == 2
    assert answer.err.strip() == (
        "assay: backbone_config of the configuration of ridge has no key 'width', which the plugin reads, "
        "a method's own keys from below 'options'; did you mean 'widht'?"
    )
