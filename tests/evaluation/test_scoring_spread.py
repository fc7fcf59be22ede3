"""Scoring in real processes: several that share the batches, killed ones that go on; and in which precision."""

import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from config.errors import InputError
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation import precision
from evaluation.parts import Parts, chunk_size, fingerprint
from evaluation.precision import TOLERANCE, choose_precision
from evaluation.scores import read_scores
from evaluation.scoring import BROKEN_VALUE, Scored, score, score_faces
from preprocessing.samples import FaceSet
from preprocessing.store import FaceStoreWriter
from tests.evaluation.test_scoring import CPU, META, config
from tests.preprocessing.test_manifest import row
from tests.processes import random_moments, run_all, run_killed

VIDEOS, FRAMES = 9, 7
BROKEN = ("D/frames/v2/003.png", "D/frames/v8/006.png")


class Mixing(nn.Module):
    """P(fake) depends on the face, on the others of its batch, and on a weight; it counts the batches."""

    def __init__(self, weight: float = 0.5, seconds: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.seconds = seconds
        self.batches = 0

    def forward(self, data_dict: dict[str, Tensor], inference: bool = False) -> dict[str, Tensor]:
        time.sleep(self.seconds)
        self.batches += 1
        own = data_dict["image"].mean((1, 2, 3))
        return {"prob": self.weight * own + (1 - self.weight) * own.mean()}


def mixing(weight: float = 0.5, seconds: float = 0.0) -> AbstractDetector:
    return cast(AbstractDetector, Mixing(weight, seconds))


def settings(**keys: object) -> DetectorConfig:
    return config(test_batchSize=2, **keys)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """63 faces, two of them broken, and a frame without a face: 32 batches of 2."""
    store = tmp_path_factory.mktemp("data") / "D_lmdb"
    writer = FaceStoreWriter(store, META)
    made, greys = [], np.random.default_rng(0).integers(0, 256, (VIDEOS, FRAMES))
    for video in range(VIDEOS):
        found = [row(f"v{video}", frame, label=video % 2) for frame in range(FRAMES)]
        images = [cv2.imencode(".png", np.full((16, 16, 3), grey, np.uint8))[1].tobytes() for grey in greys[video]]
        values = {entry["key"]: image for entry, image in zip(found, images, strict=True)}
        writer.add(f"v{video}", values | {key: b"no image" for key in BROKEN if key in values}, [])
        made += found
    writer.close()
    return pd.DataFrame([*made, row("v0", 90, "no face")]).assign(store_path=str(store))


def evaluate(group: Group, rows: pd.DataFrame, out: Path, seconds: float = 0.0, weight: float = 0.5) -> Scored:
    return score(mixing(weight, seconds), rows, out, settings(), CPU, group=group)


def validate(group: Group, rows: pd.DataFrame, out: Path) -> None:
    labels, scores = score_faces(mixing(), FaceSet(rows[rows["skip"] == ""]), settings(), CPU, group=group)
    np.save(out / f"labels{group.rank}.npy", labels)
    np.save(out / f"scores{group.rank}.npy", scores)


@pytest.mark.parametrize("size", [2, 5])
def test_processes_together_give_the_table_of_one(rows: pd.DataFrame, tmp_path: Path, size: int):
    assert run_all(evaluate, rows, tmp_path / "many" / "scores.parquet", size=size) == [0] * size
    counts = evaluate(ALONE, rows, tmp_path / "one" / "scores.parquet")
    files = [tmp_path / name / "scores.parquet" for name in ("one", "many")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert list(files[1].parent.iterdir()) == [files[1]]
    assert counts.skipped == {"no face": 1, BROKEN_VALUE: 2}
    assert (counts.videos, counts.frames, counts.faceless_frames) == (VIDEOS, VIDEOS * FRAMES + 1, 3)


def test_processes_validate_alike_and_as_one_does(rows: pd.DataFrame, tmp_path: Path):
    assert run_all(validate, rows, tmp_path, size=3) == [0] * 3
    labels, scores = score_faces(mixing(), FaceSet(rows[rows["skip"] == ""]), settings(), CPU)
    assert len(scores) == VIDEOS * FRAMES - len(BROKEN)
    for rank in range(3):
        assert np.array_equal(np.load(tmp_path / f"labels{rank}.npy"), labels)
        assert np.array_equal(np.load(tmp_path / f"scores{rank}.npy"), scores)


@pytest.mark.parametrize("size", [1, 2])
def test_an_evaluation_killed_at_any_moments_gives_the_same_table(rows: pd.DataFrame, tmp_path: Path, size: int):
    out = tmp_path / "killed" / "scores.parquet"
    moments = random_moments(seed=size, count=4, longest=0.1)
    assert run_killed(evaluate, rows, out, 0.02, size=size, moments=moments, begun=out.parent) > 1
    evaluate(ALONE, rows, tmp_path / "whole" / "scores.parquet")
    assert out.read_bytes() == (tmp_path / "whole" / "scores.parquet").read_bytes()
    assert list(out.parent.iterdir()) == [out]


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_after(faces: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done >= faces:
            raise KilledError

    return progress


def test_what_was_scored_is_not_scored_again(rows: pd.DataFrame, tmp_path: Path):
    out, seen = tmp_path / "scores.parquet", []
    with pytest.raises(KilledError):
        score(mixing(), rows, out, settings(), CPU, on_progress=killed_after(40))
    assert not out.exists()
    again = mixing()
    score(again, rows, out, settings(workers=3), CPU, on_progress=lambda *done: seen.append(done))
    assert again.batches == 12  # of 31 with a face that can be read 19 were kept; the twentieth was not finished
    assert (seen[0], seen[-1]) == ((40, 63), (63, 63))
    whole = mixing()
    score(whole, rows, out, settings(), CPU)
    assert whole.batches == 31, "a table that is complete is made anew"


@pytest.mark.parametrize(
    "change",
    [
        {"detector": mixing(0.25)},
        {"config": settings(resolution=20)},
        {"precision": "bf16"},
        {"rows": lambda rows: rows[rows["video_id"] != "D/real/v3"]},
    ],
    ids=["weights", "configuration", "precision", "faces"],
)
def test_chunks_of_other_work_are_not_used(rows: pd.DataFrame, tmp_path: Path, change: dict[str, Any]):
    def run(out: Path, **options: Any) -> None:
        given = {"detector": mixing(), "rows": rows, "out": out, "config": settings(), "device": CPU} | change
        if callable(given["rows"]):
            given["rows"] = given["rows"](rows)
        score(**(given | options))

    with pytest.raises(KilledError):
        score(mixing(), rows, tmp_path / "a" / "s.parquet", settings(), CPU, on_progress=killed_after(40))
    run(tmp_path / "a" / "s.parquet")
    run(tmp_path / "b" / "s.parquet")
    assert (tmp_path / "a" / "s.parquet").read_bytes() == (tmp_path / "b" / "s.parquet").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["s.parquet"]


def test_a_chunk_cut_short_is_scored_again(rows: pd.DataFrame, tmp_path: Path):
    parts = Parts(tmp_path / "scores.parquet", "key")
    parts.write(0, np.array([0.5, np.nan]))
    parts.write(2, np.array([0.25]))
    (parts.folder / "key" / "00001.f64").write_bytes(b"half")
    (parts.folder / "key" / ".00003.f64.123.tmp").write_bytes(b"half")
    found = parts.resume([(2, 1), (2, 1), (1, 1), (1, 1)])
    assert list(found) == [0, 2]
    assert np.array_equal(found[0], [[0.5], [np.nan]], equal_nan=True)
    assert len(list((parts.folder / "key").iterdir())) == 3


@pytest.mark.parametrize(("faces", "batch", "size"), [(63, 2, 2), (63, 64, 64), (6400, 32, 128), (10**6, 48, 1056)])
def test_chunks_are_whole_batches_of_at_most_a_thousand_faces_or_so(faces: int, batch: int, size: int):
    assert chunk_size(faces, batch) == size


def test_a_fingerprint_is_of_names_shapes_and_values():
    keys = [
        fingerprint(network, about)
        for network in (nn.Linear(2, 2), nn.Linear(2, 2), nn.Conv2d(2, 2, 1), nn.BatchNorm1d(2).bfloat16())
        for about in ({"a": 1}, {"a": 2})
    ]
    assert len(set(keys)) == len(keys)
    network = nn.Linear(2, 2)
    assert fingerprint(network, {"a": 1, "b": 2}) == fingerprint(network, {"b": 2, "a": 1})


def evaluate_on_full_disk(group: Group, rows: pd.DataFrame, out: Path, limit: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        evaluate(group, rows, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    ("limit", "file"), [(8, r"\.scores\.parquet\.parts/\w+/0000\d\.f64"), (1000, "scores.parquet")]
)
def test_a_full_disk_is_one_sentence_and_the_old_table_stays(
    rows: pd.DataFrame, tmp_path: Path, size: int, limit: int, file: str
):
    out, words = tmp_path / "eval" / "scores.parquet", tmp_path / "words"
    evaluate(ALONE, rows, out, weight=0.25)
    before = out.read_bytes()
    assert 2 in run_all(evaluate_on_full_disk, rows, out, limit, size=size, words=words)
    assert re.fullmatch(rf"assay: cannot write {out.parent}/{file}: .*File too large\n", words.read_text())
    assert out.read_bytes() == before
    evaluate(ALONE, rows, out)
    evaluate(ALONE, rows, tmp_path / "whole" / "scores.parquet")
    assert out.read_bytes() == (tmp_path / "whole" / "scores.parquet").read_bytes()


def test_a_score_that_is_no_probability_is_refused(rows: pd.DataFrame, tmp_path: Path):
    with pytest.raises(InputError, match=r"frame 0 of video 'D/real/v0' cannot be scored: P\(fake\) is nan"):
        score(mixing(float("nan")), rows, tmp_path / "scores.parquet", settings(), CPU)
    assert not (tmp_path / "scores.parquet").exists()


class Rounding(nn.Module):
    """One layer, and a wave over its logit: the quicker the wave, the more it shows that the logit was rounded."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 1, 3)
        self.factor = factor
        self.kinds: set[torch.dtype] = set()

    def forward(self, data_dict: dict[str, Tensor], inference: bool = False) -> dict[str, Tensor]:
        logit = self.layer(data_dict["image"]).mean((1, 2, 3))
        self.kinds.add(logit.dtype)
        return {"prob": 0.5 + 0.4 * (self.factor * logit.float()).sin()}


def choose(rows: pd.DataFrame, factor: float, asked: str = "auto", device: torch.device = CPU) -> precision.Choice:
    return choose_precision(asked, cast(AbstractDetector, Rounding(factor)), rows, settings(), device)


def test_bf16_is_chosen_where_scores_agree_and_the_note_says_how_well(rows: pd.DataFrame, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    close, far = choose(rows, 1.0), choose(rows, 1000.0)
    assert (close.precision, far.precision) == ("bf16", "fp32")
    assert close.note.startswith("precision: bf16, whose scores differ by up to ")
    assert float(close.note.split("up to ")[1].split()[0]) <= TOLERANCE
    assert float(far.note.split("up to ")[1].split()[0]) > TOLERANCE
    assert close == choose(rows, 1.0)
    assert "61 faces" in close.note


def test_without_instructions_for_bf16_or_without_faces_it_is_fp32(rows: pd.DataFrame, monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda: False)
    assert choose(rows, 1.0) == precision.Choice("fp32")
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    assert choose(rows[rows["skip"] != ""], 1.0) == precision.Choice("fp32")
    assert choose(rows[rows["key"].isin(BROKEN)], 1.0) == precision.Choice("fp32")
    assert choose(rows, 1.0, device=torch.device("meta")) == precision.Choice("fp32")


def test_a_precision_that_was_asked_for_is_taken(rows: pd.DataFrame):
    assert choose(rows, 1000.0, "bf16") == precision.Choice("bf16")
    assert choose(rows, 1.0, "fp32") == precision.Choice("fp32")
    with pytest.raises(InputError, match="unknown precision 'bf61'; did you mean 'bf16'"):
        choose(rows, 1.0, "bf61")


@pytest.mark.parametrize(
    ("found", "expected"),
    [({}, False), ({"avx2": True}, False), ({"avx512_bf16": True}, True), ({"amx_bf16": True, "avx2": True}, True)],
)
def test_what_torch_says_of_the_cpu_decides(monkeypatch, found: dict[str, bool], expected: bool):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert precision.has_bf16() == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not precision.has_bf16()


def test_networks_run_in_the_precision_given(rows: pd.DataFrame, tmp_path: Path):
    tables = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        network = Rounding(1.0)
        score(cast(AbstractDetector, network), rows, tmp_path / name, settings(), CPU, precision=name)
        assert network.kinds == {kind}
        tables[name] = read_scores(tmp_path / name)["score"].dropna()
    assert not np.array_equal(tables["fp32"], tables["bf16"])
    assert np.abs(tables["fp32"] - tables["bf16"]).max() <= TOLERANCE
