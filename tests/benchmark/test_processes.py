"""The commands in several processes, as torchrun starts them, and with the files and words of one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from detectors.weights import read_weights
from evaluation.scores import ScoreRecord, read_scores
from tests.benchmark.small_set import write_small_set
from tests.processes import run_command

PLUGIN = Path(__file__).parent.parent / "data" / "small_detector.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 faces in each split of a set D; fakes are brighter."""
    return write_small_set(tmp_path_factory.mktemp("data"))


@pytest.fixture
def training(data: Path, tmp_path: Path) -> list[str]:
    keys = ["model_name: small", "backbone_name: small", "resolution: 32", "nEpochs: 2", "train_batchSize: 4"]
    keys += ["test_batchSize: 4", "workers: 0", "train_dataset: [D]"]
    (tmp_path / "small.yaml").write_text("\n".join(keys))
    options = ["--data", data, "--plugin", PLUGIN, "--device", "cpu", "--keep-epochs"]
    return ["train", *map(str, [tmp_path / "small.yaml", *options])]


def epochs(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "epoch"]


def results_in(words: Path) -> list[str]:
    return [line for line in words.read_text().splitlines() if not line.startswith("evaluate small on D")]


def test_torchrun_trains_and_evaluates_with_the_files_and_words_of_one(data: Path, training, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "benchmark"]
    result = subprocess.run([*launch, *training, "--out", str(two)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["train", "epoch", "epoch", "selected:"]
    assert "2 epochs on 2 x cpu" in result.stdout
    assert run_command(*training, "--out", one, size=1, words=tmp_path / "words") == [0]
    for mine, theirs in zip(epochs(one), epochs(two), strict=True):
        assert {**mine, "kind": 0} == pytest.approx({**theirs, "kind": 0}, rel=1e-4, abs=1e-5)
    assert json.loads((two / "record.json").read_text())["processes"] == 2
    assert read_weights(two / "epochs" / "002.safetensors")[1]["epoch"] == "1"

    evaluation = ["evaluate", two, "--test", "D", "--data", data, "--plugin", PLUGIN, "--device", "cpu"]
    evaluation += ["--precision", "fp32"]
    for name, size in (("a", 2), ("b", 1)):
        assert (
            run_command(*evaluation, "--out", tmp_path / name, size=size, words=tmp_path / f"{name}.txt") == [0] * size
        )
    assert results_in(tmp_path / "a.txt") == results_in(tmp_path / "b.txt") != []
    tables = [tmp_path / name / "D" / "scores.parquet" for name in ("a", "b")]
    assert read_scores(tables[0]).equals(read_scores(tables[1]))
    assert ScoreRecord.read(ScoreRecord.beside(tables[0])).precision == "fp32"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--set", "train_batchSize=5"], "on 2 processes needs a multiple of 2, and a batch has 5 faces"),
        (["--set", "nEpoch=5"], "did you mean 'nEpochs'"),
        (["--device", "cuda:1"], "each process of torchrun has its own GPU; give cuda, cpu or auto"),
        (["--plugin", "none.py"], "none.py"),
    ],
)
def test_a_mistake_is_one_sentence_of_all_processes_and_exit_code_2(training, tmp_path: Path, change, sentence: str):
    words = tmp_path / "words"
    assert run_command(*training, "--out", tmp_path / "run", *change, size=2, words=words) == [2, 2]
    assert sentence in words.read_text()
    assert len(words.read_text().splitlines()) == 1 + words.read_text().startswith("train small on")
