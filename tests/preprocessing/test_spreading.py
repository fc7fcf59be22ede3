"""One process, many, shards, Ray, killed and gone on with: the same rows and the same bytes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.landmarks import find_predictor
from preprocessing.manifest import manifest_sha256
from preprocessing.pipeline import manifest_path, preprocess, store_name
from preprocessing.samples import open_faces
from preprocessing.shards import Shard, merge_shards
from preprocessing.store import FaceStore
from tests.faces import still
from tests.media import write_video
from tests.processes import gone, workers_of

CUSTOM = load_config(DatasetConfig, "custom")
PROFILE = load_config(Profile, "dfb", ["num_frames=3"])
CLIPS = 12


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    for number in range(CLIPS):
        image = still(number)[::2, ::2]
        label = "fake" if number % 3 else "real"
        write_video(root / label / f"clip{number}.mp4", np.stack([np.roll(image, 3 * step, 1) for step in range(4)]))
    (root / "fake" / "broken.mp4").write_bytes(b"no video")
    return root


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    data = tmp_path_factory.mktemp("alone")
    return data, run(root, data)


def run(root: Path, data: Path, **options) -> pd.DataFrame:
    return preprocess(CUSTOM, root, data, PROFILE, find_predictor(environ={}), **options)


def values(data: Path, store: str = store_name("custom")) -> dict[str, bytes]:
    faces = FaceStore(data / "dfb" / store)
    return {key: faces.get(key) for key in faces.keys()}  # noqa: SIM118


def test_shards_merge_into_what_one_process_makes(alone, root: Path, tmp_path: Path):
    data, rows = alone
    for index in (3, 1, 2):
        run(root, tmp_path, shard=Shard(index, 3))
    merged = merge_shards(manifest_path(tmp_path, "dfb", "custom"))
    pd.testing.assert_frame_equal(merged.drop(columns="store"), rows.drop(columns="store"))
    assert manifest_sha256(merged) == manifest_sha256(rows)
    assert merged["store"].nunique() == 3
    stores = [values(tmp_path, f"shards/custom/{index}-of-3_lmdb") for index in (1, 2, 3)]
    assert sum(len(part) for part in stores) == len(values(data))
    assert stores[0] | stores[1] | stores[2] == values(data)
    ours, theirs = (open_faces(folder, ["custom"], "test") for folder in (tmp_path, data))
    assert all(np.array_equal(ours.read(i).image, theirs.read(i).image) for i in range(len(theirs)))


def test_a_merge_waits_for_all_shards(root: Path, tmp_path: Path):
    whole = manifest_path(tmp_path, "dfb", "custom")
    with pytest.raises(InputError, match="--shard i/n"):
        merge_shards(whole)
    run(root, tmp_path, shard=Shard(1, 3))
    (whole.parent / "shards" / "custom" / "copy-of-mine.parquet").write_bytes(b"not a shard")
    with pytest.raises(InputError, match=r"2 of 3 shards are not finished, such as 2-of-3"):
        merge_shards(whole)
    run(root, tmp_path, shard=Shard(1, 2))
    with pytest.raises(InputError, match="different divisions"):
        merge_shards(whole)


def test_shards_that_saw_different_files_are_not_merged(root: Path, tmp_path: Path):
    run(root, tmp_path / "data", shard=Shard(1, 2))
    more = tmp_path / "more"
    for label in ("real", "fake"):
        (more / label).mkdir(parents=True)
        for path in (root / label).iterdir():
            (more / label / path.name).symlink_to(path)
    write_video(more / "fake" / "a.mp4", [0, 50])  # comes first, so that the others change places
    run(more, tmp_path / "data", shard=Shard(2, 2))
    with pytest.raises(InputError, match="is in two shards"):
        merge_shards(manifest_path(tmp_path / "data", "dfb", "custom"))


def test_shards_of_another_profile_are_not_merged(root: Path, tmp_path: Path):
    run(root, tmp_path, shard=Shard(1, 2))
    other = load_config(Profile, "dfb", ["num_frames=2"])
    preprocess(CUSTOM, root, tmp_path, other, find_predictor(environ={}), shard=Shard(2, 2))
    with pytest.raises(InputError, match="another profile"):
        merge_shards(manifest_path(tmp_path, "dfb", "custom"))


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_what_is_no_shard_is_refused(text: str):
    with pytest.raises(InputError, match="such as 2/8"):
        Shard.parse(text)


def test_every_clip_is_in_one_shard():
    items = list(range(11))
    parts = [Shard.parse(f"{index}/4").of(items) for index in (1, 2, 3, 4)]
    assert sorted(item for part in parts for item in part) == items
    assert {len(part) for part in parts} == {2, 3}


def test_a_local_ray_gives_the_rows_and_bytes_of_one_process(alone, root: Path, tmp_path: Path):
    data, rows = alone
    pd.testing.assert_frame_equal(run(root, tmp_path, engine="ray", workers=2), rows)
    assert values(tmp_path) == values(data)


def test_an_unknown_engine_is_refused(root: Path, tmp_path: Path):
    with pytest.raises(InputError, match="did you mean 'ray'"):
        run(root, tmp_path, engine="rya")


def test_killed_at_any_moment_it_goes_on_to_the_same_rows_and_bytes(alone, root: Path, tmp_path: Path):
    data, rows = alone
    rng = np.random.default_rng(5)
    left = []
    while True:
        before = stored(tmp_path)
        process = start(root, tmp_path)
        while process.poll() is None and stored(tmp_path) == before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is not None:
            break
        children = workers_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(stored(tmp_path))
        assert gone(children), "workers outlive the process that was killed"
    assert process.returncode == 0
    assert left, "it was never killed"
    pd.testing.assert_frame_equal(
        pd.read_parquet(manifest_path(tmp_path, "dfb", "custom")),
        pd.read_parquet(manifest_path(data, "dfb", "custom")),
    )
    assert values(tmp_path) == values(data)
    assert manifest_sha256(run(root, tmp_path)) == manifest_sha256(rows)


def start(root: Path, data: Path) -> subprocess.Popen[bytes]:
    command = ["-m", "benchmark", "preprocess", "custom", "--root", root, "--data", data, "--frames", 3, "--workers", 2]
    return subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)


def stored(data: Path) -> int:
    """Crops that are in the store of a process at work."""
    folder = data / "dfb" / store_name("custom")
    return len(list(FaceStore(folder).keys())) if (folder / "data.mdb").is_file() else 0
