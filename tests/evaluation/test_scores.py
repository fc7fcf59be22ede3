import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.errors import InputError
from evaluation.scores import SCHEMA, Environment, ScoreRecord, ScoreWriter, SuiteRecord, environment, read_scores
from tests.score_rows import score_rows

RECORD = ScoreRecord(
    detector="efficientnet_lite0",
    weights_sha256="ab" * 32,
    manifest_sha256="cd" * 32,
    protocol="corrected",
    protocol_version=1,
    seed=7,
    wall_seconds=1.25,
    n_videos=2,
    n_frames=64,
    n_faceless_frames=3,
    environment=Environment(python="3.11.7", platform="Linux x86_64", packages={"numpy": "2.4.6"}),
    git_commit="e" * 40,
    skipped={"no face": 3},
    notes=("landmarks: compact predictor – a substitute",),
)


def written(path: Path, rows: pd.DataFrame) -> Path:
    with ScoreWriter(path) as writer:
        writer.write(rows)
    return path


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: object for name in frame.columns if isinstance(frame[name].dtype, pd.CategoricalDtype)})


def test_batches_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 1000
    scores = [None if i % 7 == 0 else float(rng.random()) for i in range(n)]
    rows = score_rows(list(rng.integers(0, 2, n)), scores, [f"v/ü{i // 10}" for i in range(n)])
    with ScoreWriter(tmp_path / "new" / "scores.parquet") as writer:
        for start in range(0, n, 64):
            writer.write(rows.iloc[start : start + 64])
    assert writer.n_rows == n
    read = read_scores(tmp_path / "new" / "scores.parquet")
    assert list(read.columns) == SCHEMA.names
    pd.testing.assert_frame_equal(as_text(read), rows.astype({"dataset": object}), check_dtype=False)
    assert read["score"].dtype == np.float64


def test_columns_may_be_plain_sequences_and_none_means_no_score(tmp_path: Path) -> None:
    columns = {name: list(values) for name, values in score_rows([0, 1], [0.25, None]).items()}
    columns["score"] = [0.25, None]
    with ScoreWriter(tmp_path / "scores.parquet") as writer:
        writer.write(columns)
    assert read_scores(tmp_path / "scores.parquet")["score"].isna().tolist() == [False, True]


def test_a_table_without_rows_is_a_table(tmp_path: Path) -> None:
    with ScoreWriter(tmp_path / "scores.parquet"):
        pass
    assert len(read_scores(tmp_path / "scores.parquet")) == 0


def test_rows_are_written_out_while_scoring_goes_on(tmp_path: Path) -> None:
    rows = score_rows([0, 1] * 10_000, [0.5] * 20_000)
    with ScoreWriter(tmp_path / "scores.parquet") as writer:
        for _ in range(10):
            writer.write(rows)
    groups = pq.ParquetFile(tmp_path / "scores.parquet").metadata
    assert groups.num_rows == 200_000
    assert max(groups.row_group(i).num_rows for i in range(groups.num_row_groups)) <= 100_000


def break_while_writing(path: Path) -> None:
    with ScoreWriter(path) as writer:
        writer.write(score_rows([1, 1], [0.5, 0.6]))
        raise RuntimeError("the detector broke")


def test_an_error_leaves_the_former_table(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.parquet", score_rows([0], [0.5]))
    with pytest.raises(RuntimeError, match="the detector broke"):
        break_while_writing(path)
    assert read_scores(path)["label"].tolist() == [0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["scores.parquet"]


def test_a_killed_run_leaves_no_table(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.score_rows import score_rows\n"
        "from evaluation.scores import ScoreWriter\n"
        "with ScoreWriter(Path(sys.argv[1])) as writer:\n"
        "    for _ in range(5):\n"
        "        writer.write(score_rows([0, 1] * 10_000, [0.5] * 20_000))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "scores.parquet"
    done = subprocess.run([sys.executable, "-c", script, path], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(InputError, match="no score table"):
        read_scores(path)


def test_a_full_disk_is_one_sentence_and_leaves_the_former_table(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.parquet", score_rows([0], [0.5]))
    rng = np.random.default_rng(0)
    rows = score_rows([0, 1] * 10_000, list(rng.random(20_000)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*scores\.parquet"):
            written(path, rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert read_scores(path)["label"].tolist() == [0]


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("score", float("nan"), "has a face but no score"),
        ("score", 1.5, r"outside \[0, 1\]"),
        ("label", 2, "label other than 0 and 1"),
        ("face", -1, "has a score but no face"),
    ],
)
def test_an_unsound_row_is_refused_by_name(tmp_path: Path, column: str, value: float, complaint: str) -> None:
    rows = score_rows([0, 1], [0.2, 0.7], ["a", "b"])
    rows.loc[1, column] = value
    with pytest.raises(InputError, match=f"frame 1 of video 'b' .*{complaint}"):
        written(tmp_path / "scores.parquet", rows)
    assert not (tmp_path / "scores.parquet").exists()


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="score columns must be"):
        written(tmp_path / "scores.parquet", score_rows([0], [0.5]).drop(columns="draw"))


def test_every_cut_of_a_table_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "scores.parquet", score_rows([0, 1] * 50, [0.5, None] * 50)).read_bytes()
    cut = tmp_path / "cut.parquet"
    for length in range(0, len(whole), 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.parquet is not a whole Parquet file"):
            read_scores(cut)


def test_a_flipped_byte_never_gives_other_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = score_rows([0, 1] * 100, list(rng.random(200)))
    path = written(tmp_path / "scores.parquet", rows)
    whole = path.read_bytes()
    for position in rng.choice(len(whole), 200, replace=False):
        altered = bytearray(whole)
        altered[position] ^= 0xFF
        path.write_bytes(bytes(altered))
        try:
            read = read_scores(path)
        except InputError:
            continue
        assert read["score"].tolist() == rows["score"].tolist()
        assert read["label"].tolist() == rows["label"].tolist()


def test_foreign_files_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no score table at .*nothing\.parquet"):
        read_scores(tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="no score table at"):
        read_scores(tmp_path)
    (tmp_path / "text.parquet").write_text("frame,score\n0,0.5\n")
    with pytest.raises(InputError, match=r"text\.parquet is not a whole Parquet file"):
        read_scores(tmp_path / "text.parquet")
    pq.write_table(pa.table({"dataset": ["x"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet is not a score table: it has no column 'split'"):
        read_scores(tmp_path / "other.parquet")
    score_rows([0], [0.5]).assign(label="real").to_parquet(tmp_path / "types.parquet")
    with pytest.raises(InputError, match=r"types\.parquet is not a score table: a column has a wrong type"):
        read_scores(tmp_path / "types.parquet")
    score_rows([0, 1], [0.5, 0.5]).assign(label=[0, 3]).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(InputError, match=r"labels\.parquet is not a sound score table: frame 1 of video 'v1'"):
        read_scores(tmp_path / "labels.parquet")


def test_a_table_that_another_tool_wrote_is_read(tmp_path: Path) -> None:
    rows = score_rows([0, 1], [0.5, None])
    rows.assign(remark="extra").to_parquet(tmp_path / "pandas.parquet")
    assert read_scores(tmp_path / "pandas.parquet")["video_id"].tolist() == ["v0", "v1"]


def test_the_record_lies_beside_and_comes_back(tmp_path: Path) -> None:
    path = ScoreRecord.beside(tmp_path / "scores.parquet")
    assert path == tmp_path / "scores.json"
    RECORD.write(path)
    assert ScoreRecord.read(path) == RECORD
    assert json.loads(path.read_text(encoding="utf-8"))["notes"] == ["landmarks: compact predictor – a substitute"]


def test_a_record_from_before_there_were_suites_is_read(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "scores.json")
    written = json.loads((tmp_path / "scores.json").read_text())
    assert written.pop("suite") is None
    (tmp_path / "scores.json").write_text(json.dumps(written))
    assert ScoreRecord.read(tmp_path / "scores.json") == RECORD
    perturbed = replace(RECORD, suite=SuiteRecord("levels", "ef" * 32, "crop", 10))
    perturbed.write(tmp_path / "perturbed.json")
    assert ScoreRecord.read(tmp_path / "perturbed.json") == perturbed


def test_a_record_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    with pytest.raises(InputError, match=r"cannot read the score record .*scores\.json"):
        ScoreRecord.read(path)
    path.write_text("[1, 2")
    with pytest.raises(InputError, match=r"scores\.json is not a score record"):
        ScoreRecord.read(path)
    RECORD.write(path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"sead": 1}))
    with pytest.raises(InputError, match="sead"):
        ScoreRecord.read(path)
    path.write_text(json.dumps({name: value for name, value in content.items() if name != "environment"}))
    with pytest.raises(InputError, match="environment"):
        ScoreRecord.read(path)


def test_the_environment_is_told_without_importing_torch(tmp_path: Path) -> None:
    script = "import sys; from evaluation.scores import environment; environment(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
    told = environment()
    assert told.packages["numpy"] == np.__version__
    assert told.packages["pyarrow"] == pa.__version__
    replace(RECORD, environment=told).write(tmp_path / "scores.json")
    assert ScoreRecord.read(tmp_path / "scores.json").environment == told
