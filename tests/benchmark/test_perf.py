"""`assay perf`: every stage is there with a time and a floor. How long they take is not tested."""

import json
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark.perf.stage
from benchmark.perf.material import make_material
from benchmark.perf.network import Setting, measure_looking, measure_training
from benchmark.perf.run import Machine, Measurements
from benchmark.perf.stage import Scale, Stage, medians, timed
from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig, Profile
from evaluation.scores import environment
from preprocessing.landmarks import find_predictor
from preprocessing.reconstruction.stored import KINDS

TINY = Scale(
    rounds=1, batch=2, heights=(360,), scene=3, video=9, faces=8, batches=2, block=0.0, scores=640, resamples=5
)
SEARCH = ["detect exact", "detect fast", "align", "frame to PNG exact", "frame to PNG fast"]
CROPS = ["encode PNG", "write LMDB", "read", "augment"]
BATCHES = [f"{encoding} to batch {way}" for encoding in ("PNG", "JPEG", "BMP") for way in ("recipe", "plain")]
FAKES = [f"pseudo-fake {name}" for name in ("sbi", "cbi", "i2g", "fwa", "adfd", "fia_usa")]
TRAINING = ["load", "train step", "train step by parts", "load + train step"]
SCORING = ["score fp32 contiguous", "score fp32 channels_last", "score bf16 channels_last"]
STAGES = [
    "decode",
    *SEARCH,
    *CROPS,
    *BATCHES,
    *FAKES,
    *TRAINING,
    *SCORING,
    "evaluate perturbed",
    "all metrics",
    "bootstrap",
]


def stage(name: str, seconds: float) -> Stage:
    """One whose floor takes three quarters of its time."""
    return Stage(name, "256 px", "crops", 10, seconds, "what nobody can save", 0.75 * seconds)


def test_every_stage_has_a_time_and_a_floor(assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also for a detector that trains on quadruplets: each fake has its target, each real has partners."""
    monkeypatch.setattr(benchmark.perf.stage, "QUICK", TINY)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "perf.json"
    light = tmp_path / "light.yaml"
    light.write_text("base: prodet\nbackbone_name: efficientnet_lite0\n")
    network = ["--detector", light, "--size", 64, "--device", "cpu", "--workers", 1]
    answer = assay("perf", "--quick", *network, "--out", path)
    assert answer.code == 0, answer.err
    measured = Measurements.read(path)
    assert [one.name for one in measured.stages] == STAGES
    for one in measured.stages:
        for number in (one.seconds, one.floor_seconds, one.per_second, one.of_floor, one.items):
            assert math.isfinite(number)
            assert number > 0
        assert f"{one.name}, {one.on} [{one.unit}]" in answer.out
        assert f"{one.name}, floor: {one.floor}" in answer.out
    assert "frame to PNG, 360p: fast is" in answer.out
    assert "JPEG to batch, 64 px: recipe is" in answer.out
    assert "prodet, 4 x 64 px" in answer.out  # a batch of 2 has no room for a quadruplet
    assert "train step by parts, floor: " in answer.out
    assert re.search(r"optimiser: backbone\.features \d+\.\d{3} ms, adjust_feature \d+\.\d{3} ms, ", answer.out)
    assert measured.device == "cpu"
    assert measured.machine.cpu
    assert "torch" in measured.machine.environment.packages
    assert not list(tmp_path.glob("assay-perf-*"))


def test_reconstructions_are_made_up_and_what_comes_before_training_is_timed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("benchmark.perf.material.ENCODINGS", ("png",))
    light = ["backbone_name=efficientnet_lite0", "pretrained=null", "resolution=64", "options.passes=2"]
    config = load_config(DetectorConfig, "fia_usa", light).model_copy(update={"train_batchSize": 4, "workers": 0})
    material = make_material(tmp_path, config, load_config(Profile, "dfb"), find_predictor(environ={}), TINY)
    faces = material.faces["png"]
    assert list(faces.whole_reconstructions(KINDS)) == list(KINDS)
    real = np.flatnonzero(faces.labels == 0)[0]
    made, face = faces.reconstruction(real, "autoencoder"), faces.read(real).image
    assert made.shape == face.shape
    assert (made != face).any()
    setting = Setting(config, torch.device("cpu"), TINY)
    (looked,) = measure_looking(setting)
    assert (looked.name, looked.items) == ("look before training", 2 * 4)
    stages = {one.name: one for one in measure_training(setting, faces, tmp_path / "run")}
    assert list(stages) == TRAINING
    told = stages["train step by parts"].floor
    assert re.search(r"; the step takes -?\d+% more than what of it is the backbone's$", told)
    used = re.findall(r"(\S+) \(2\) \d+\.\d{3} ms", told)
    assert used == ["backbone.stages", "pyramid", "backbone.pool", "last_layer", "loss_func"], (
        "SAM goes twice through all"
    )


def test_what_looks_at_nothing_before_training_has_no_such_stage():
    config = load_config(DetectorConfig, "efficientnet_lite0", ["pretrained=null", "resolution=32"])
    assert measure_looking(Setting(config.model_copy(update={"train_batchSize": 2}), torch.device("cpu"), TINY)) == []


def test_a_made_up_manifest_is_measured_alone(assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = assay("perf", "--manifest", 3200)
    assert answer.code == 0, answer.err
    assert "A manifest of 3,200 rows" in answer.out
    for step in ("write the manifest", "read all rows", "open the train split", "hash", "draws", "a loading process"):
        assert step in answer.out
    assert "decode" not in answer.out
    assert not list(tmp_path.glob("assay-*"))


def test_measurements_come_back_as_they_were(tmp_path: Path):
    first, second = tmp_path / "perf.json", tmp_path / "again.json"
    seconds = {"detect exact": 0.3, "detect fast": 0.1, "BMP to batch recipe": 0.2, "BMP to batch plain": 0.3}
    stages = (stage("read", 1 / 3), *(stage(name, each) for name, each in seconds.items()))
    measured = Measurements(Machine("a CPU", 2, 2, environment()), "cpu", "xception", None, TINY, stages)
    measured.write(first)
    assert Measurements.read(first) == measured
    assert "detect, 256 px: fast is 3 times as fast as exact" in measured.table().footnotes
    assert "BMP to batch, 256 px: recipe is 1.5 times as fast as plain" in measured.table().footnotes
    changed = json.loads(first.read_text())
    changed["stages"][0].pop("seconds")
    second.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"again\.json holds no measurements"):
        Measurements.read(second)
    with pytest.raises(InputError, match="cannot read"):
        Measurements.read(tmp_path / "none.json")


def test_speed_and_share_of_the_floor_follow_from_the_times():
    assert stage("read", 0.02).per_second == pytest.approx(50)
    assert stage("read", 0.02).of_floor == pytest.approx(0.75)


def test_the_median_is_of_all_rounds_but_the_first_and_all_take_turns():
    seen = []

    def variant(name: str, times: list[float]):
        def measured(number: int) -> float:
            seen.append((number, name))
            return times[number]

        return measured

    variants = {"a": variant("a", [9, 1, 5, 2]), "b": variant("b", [0, 4, 4, 7])}
    assert medians(variants, Scale(rounds=3)) == {"a": 2, "b": 4}
    assert seen == [(number, name) for number in range(4) for name in "ab"]
    seen.clear()
    assert medians(variants, Scale(rounds=3, patience=0)) == {"a": 1, "b": 4}
    assert seen == [(number, name) for number in range(2) for name in "ab"]


def test_time_is_for_one_item(monkeypatch: pytest.MonkeyPatch):
    now = iter([10.0, 13.0])
    monkeypatch.setattr(benchmark.perf.stage.time, "perf_counter", lambda: next(now))
    given = []
    assert timed(given.append, items=6)(4) == pytest.approx(0.5)
    assert given == [4]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--detector", "xceptoin"], "did you mean 'xception'"), (["--device", "cuda:99"], "no such device")],
)
def test_a_mistake_is_one_sentence(assay, arguments: list[str], sentence: str):
    answer = assay("perf", *arguments)
    assert answer.code == 2
    assert sentence in answer.err
