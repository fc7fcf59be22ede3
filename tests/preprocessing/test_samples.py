"""Stored faces of large sets: which rows are taken, and what worker processes are sent and share."""

from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import InputError
from preprocessing import shared
from preprocessing.clips import choose_frames
from preprocessing.manifest import write_manifest
from preprocessing.pipeline import manifest_path
from preprocessing.rows import load_rows, spread
from preprocessing.samples import FaceSet, open_faces
from preprocessing.store import FaceStoreWriter
from preprocessing.workers import worker_context
from tests.preprocessing.test_manifest import row

LEVELS = ["", "c23", "c40"]
FRAMES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=40)


def store(folder: Path, values: dict[str, bytes]) -> None:
    writer = FaceStoreWriter(folder, {})
    writer.add("clip", values, [])
    writer.close()


def plain_spread(rows: pd.DataFrame, frames: int, first: bool) -> pd.DataFrame:
    """Video by video."""
    kept = set()
    for video, of_video in rows.groupby("video_id"):
        seen = list(dict.fromkeys(of_video["frame"]))
        places = range(min(frames, len(seen))) if first else choose_frames(len(seen), frames)
        kept |= {(video, seen[place]) for place in places}
    pairs = zip(rows["video_id"], rows["frame"], strict=True)
    return rows[np.array([pair in kept for pair in pairs], bool)].reset_index(drop=True)


@given(FRAMES, st.integers(1, 6), st.booleans())
@settings(deadline=None)
def test_spread_is_what_each_video_gives_alone(pairs: list[tuple[str, int]], frames: int, first: bool):
    """Videos may alternate, frames come in any order, and a frame may hold several faces."""
    rows = pd.DataFrame(pairs, columns=["video_id", "frame"]).astype({"video_id": str, "frame": "int32"})
    rows["face"] = np.arange(len(rows))
    pd.testing.assert_frame_equal(spread(rows, frames, first=first), plain_spread(rows, frames, first))


ENTRIES = st.lists(
    st.tuples(st.sampled_from(["train", "test"]), st.sampled_from(LEVELS), st.booleans(), st.integers(0, 5)),
    unique=True,
    min_size=1,
)


@given(ENTRIES, st.sampled_from([None, "c23"]))
@settings(deadline=None, max_examples=25)
def test_rows_of_a_split_and_level_are_those_of_the_whole_manifest(entries: list[tuple], level: str | None):
    rows = [
        row(f"{split}{compression}", 2 * frame + skip, "no face" * skip, split=split, compression=compression)
        for split, compression, skip, frame in entries
    ]
    with TemporaryDirectory() as folder:
        data = Path(folder)
        store(data / "dfb" / "D_lmdb", {})
        write_manifest(manifest_path(data, "dfb", "D"), rows, {})
        whole = pd.read_parquet(manifest_path(data, "dfb", "D"))
        expected = whole[(whole["split"] == "test") & (whole["compression"].isin([level, ""]) | (level is None))]
        stored = expected[expected["skip"] == ""]
        if len(expected):
            found = load_rows(data, "D", "test", compression=level)
            assert set(found["store_path"]) == {str(data.resolve() / "dfb" / "D_lmdb")}
            pd.testing.assert_frame_equal(
                found.drop(columns=["store_path", "dataset"]), expected.drop(columns="dataset").reset_index(drop=True)
            )
        if len(stored):
            faces = open_faces(data, ["D"], "test", frames=3, compression=level)
            assert faces.rows["key"].tolist() == plain_spread(stored, 3, False)["key"].tolist()
        else:
            with pytest.raises(InputError, match="no stored face" if len(expected) else "nothing in split"):
                open_faces(data, ["D"], "test", frames=3, compression=level)


def made_up(count: int, folder: Path) -> FaceSet:
    """As many fakes as reals, all in one store."""
    keys = [f"D/frames/clip/{number:05}.png" for number in range(count)]
    return FaceSet(pd.DataFrame({"label": np.arange(count) % 2, "key": keys, "store_path": str(folder)}))


def test_what_a_worker_is_sent_does_not_grow_with_the_rows(tmp_path: Path):
    sent = [bytes(ForkingPickler.dumps(made_up(count, tmp_path))) for count in (10, 50_000)]
    assert max(map(len, sent)) < 1000
    assert abs(len(sent[0]) - len(sent[1])) < 20
    assert len(ForkingPickler.loads(sent[1])) == 50_000
    assert not list(tmp_path.iterdir())


def answer(faces: FaceSet, send: Callable[[object], None]) -> None:
    send([(faces.read(index).image.tolist(), int(faces.labels[index])) for index in range(len(faces))])
    send(hasattr(faces, "rows"))


def test_processes_read_what_the_first_one_reads_one_after_the_other(tmp_path: Path):
    pictures = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    keys = [f"D/frames/clip/{number:05}.png" for number in range(4)]
    store(
        tmp_path / "D_lmdb",
        {key: cv2.imencode(".png", one)[1].tobytes() for key, one in zip(keys, pictures, strict=True)},
    )
    faces, context = made_up(4, tmp_path / "D_lmdb"), worker_context()
    before = [faces.read(index).image.tolist() for index in range(4)]
    assert before == pictures[..., ::-1].tolist()
    for _ in range(2):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=answer, args=(faces, sender.send))
        process.start()
        assert receiver.recv() == list(zip(before, [0, 1, 0, 1], strict=True))
        assert not receiver.recv()
        process.join()
    assert [faces.read(index).image.tolist() for index in range(4)] == before


def test_no_room_for_what_workers_share_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared.tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"for loading processes to .*none: No such file .* TMPDIR"):
        ForkingPickler.dumps(made_up(3, tmp_path))
