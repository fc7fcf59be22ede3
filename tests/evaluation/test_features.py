"""Feature files: what was written comes back, piece by piece too; what is damaged or foreign is said in a sentence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.errors import InputError
from evaluation import features
from evaluation.features import Features, FeatureWriter, dimension_of, iter_features, read_clean_features, read_features
from evaluation.scores import IDENTITY
from tests.score_rows import score_rows

RNG = np.random.default_rng(0)


def identities(count: int) -> pd.DataFrame:
    rows = score_rows([number % 2 for number in range(count)], [0.5] * count, [f"v/ü{n // 4}" for n in range(count)])
    return rows.assign(draw=np.arange(count) % 3, perturbation=["jpeg" if n % 3 else "none" for n in range(count)])


def written(path: Path, rows: pd.DataFrame, values: np.ndarray, at_once: int = 7) -> Path:
    with FeatureWriter(path, values.shape[1]) as writer:
        for start in range(0, len(rows), at_once):
            writer.write(rows.iloc[start : start + at_once], values[start : start + at_once])
    return path


def same(found: Features, rows: pd.DataFrame, values: np.ndarray) -> None:
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, values)
    assert list(found.rows.columns) == IDENTITY.names
    text = found.rows.astype({name: object for name in rows.columns if rows[name].dtype == object and name != "score"})
    pd.testing.assert_frame_equal(text, rows[IDENTITY.names], check_dtype=False, check_categorical=False)


def test_features_come_back_whole_and_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "_GROUP_BYTES", 20 * 4 * 5)  # twenty features of five numbers
    rows, values = identities(100), RNG.normal(size=(100, 5)).astype(np.float32)
    path = written(tmp_path / "new" / "features.parquet", rows, values)
    same(read_features(path), rows, values)
    parts = list(iter_features(path))
    assert max(len(part.rows) for part in parts) <= 26
    assert np.array_equal(np.concatenate([part.values for part in parts]), values)
    assert [name for part in parts for name in part.rows["video_id"]] == rows["video_id"].tolist()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_clean_features_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(features, "_GROUP_BYTES", 20 * 4 * 5)
    rows, values = identities(100), RNG.normal(size=(100, 5)).astype(np.float32)
    clean = (rows["perturbation"] == "none").to_numpy()
    assert 0 < clean.sum() < 50
    path = written(tmp_path / "f.parquet", rows, values)
    same(read_clean_features(path), rows[clean].reset_index(drop=True), values[clean])
    blurred = rows.assign(perturbation="blur")
    assert read_clean_features(written(path, blurred, values)).values.shape == (0, 5)


def test_a_file_without_features_still_says_how_long_they_are(tmp_path: Path):
    path = written(tmp_path / "f.parquet", identities(0), np.empty((0, 3), np.float32))
    found = read_features(path)
    assert (len(found.rows), found.values.shape, dimension_of(path)) == (0, (0, 3), 3)
    assert list(found.rows.columns) == IDENTITY.names


def test_an_error_leaves_the_former_file(tmp_path: Path):
    path = written(tmp_path / "f.parquet", identities(4), np.ones((4, 2), np.float32))

    def break_while_writing() -> None:
        with FeatureWriter(path, 2) as writer:
            writer.write(identities(4), np.zeros((4, 2), np.float32))
            raise RuntimeError("the detector broke")

    with pytest.raises(RuntimeError, match="the detector broke"):
        break_while_writing()
    assert (read_features(path).values == 1).all()
    assert list(tmp_path.iterdir()) == [path]


def test_a_feature_that_is_no_number_is_refused(tmp_path: Path):
    values = np.ones((4, 2), np.float32)
    values[2, 1] = np.inf
    with pytest.raises(InputError, match="frame 2 of video 'v/ü0' has a feature that is no finite number"):
        written(tmp_path / "f.parquet", identities(4), values)
    with pytest.raises(ValueError, match="shape"), FeatureWriter(tmp_path / "f.parquet", 3) as writer:
        writer.write(identities(4), np.ones((4, 2), np.float32))


def test_missing_cut_or_altered_files_are_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"no features at .*; make some with 'assay evaluate \.\.\. --features'"):
        read_features(tmp_path / "f.parquet")
    path = written(tmp_path / "f.parquet", identities(500), RNG.normal(size=(500, 8)).astype(np.float32))
    whole = path.read_bytes()
    for damaged in (whole[:-100], b"no Parquet", whole[:2000] + b"\xff" * 64 + whole[2064:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is not a whole Parquet file"):
            read_features(path)


def test_other_tables_are_no_feature_files(tmp_path: Path):
    path = tmp_path / "f.parquet"
    rows = identities(3)
    pq.write_table(pa.Table.from_pandas(rows), path)
    with pytest.raises(InputError, match="has no column 'feature'"):
        read_features(path)
    pq.write_table(pa.Table.from_pandas(rows.assign(feature=[[1.0], [2.0], [3.0]])), path)
    with pytest.raises(InputError, match="holds list"):
        read_features(path)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(np.full(6, np.nan, np.float32)), 2)
    pq.write_table(pa.Table.from_pandas(rows).append_column("feature", fixed), path)
    with pytest.raises(InputError, match="no finite number"):
        read_features(path)
    pq.write_table(pa.Table.from_pandas(rows.assign(frame="one")).append_column("feature", fixed), path)
    with pytest.raises(InputError, match="wrong type"):
        read_features(path)
