"""Files of equal bytes, and what copies among clips mean."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.clips import Clip
from preprocessing.integrity.copies import equal_files, equal_keys, find_copies
from preprocessing.integrity.files import HEAD, Probe, probe_file
from preprocessing.integrity.headers import TAIL
from tests.preprocessing.integrity.clip_rows import clip

PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
# What follows a picture: near its head, in the middle of a long file, and at its end.
PARTS = st.tuples(*[st.sampled_from([b"a", b"b", b"ab"])] * 3, st.booleans())


def content_of(first: bytes, middle: bytes, last: bytes, is_long: bool) -> bytes:
    gap = bytes(HEAD + TAIL) if is_long else b""
    return PNG + first + gap + middle + gap + last


def groups_of(paths: list[Path], probes: list[Probe], read: list[int]) -> list[list[int]]:
    return equal_files(paths, probes, workers=1, on_start=read.append, on_progress=lambda count: None)


@settings(max_examples=60)
@given(parts=st.lists(PARTS, max_size=8))
def test_groups_are_the_files_of_equal_bytes(parts):
    contents = [content_of(*part) for part in parts]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.png") for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        groups = groups_of(paths, [probe_file(path) for path in paths], [])
    equal = {tuple(i for i, other in enumerate(contents) if other == content) for content in contents}
    assert sorted(map(tuple, groups)) == sorted(group for group in equal if len(group) > 1)


def test_only_long_files_with_equal_ends_are_read_as_a_whole(tmp_path: Path):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path, middle in zip(paths[:3], b"xxy", strict=True):
        path.write_bytes(content_of(b"", bytes([middle]), b"", True))
    for path in paths[3:5]:
        path.write_bytes(content_of(b"", b"", b"", False))
    paths[5].write_bytes(content_of(b"", b"x", b"different", True))
    read: list[int] = []
    assert sorted(groups_of(paths, [probe_file(path) for path in paths], read)) == [[0, 1], [3, 4]]
    assert read == [3]


@given(keys=st.lists(st.sampled_from([None, 0, 1, "0"]), max_size=12))
def test_none_is_equal_to_nothing(keys):
    groups = equal_keys(keys)
    assert all(len(group) > 1 and len({keys[index] for index in group}) == 1 for group in groups)
    alone = set(range(len(keys))) - {index for group in groups for index in group}
    assert all(keys[index] is None or keys.count(keys[index]) == 1 for index in alone)


def copies(clips: list[Clip], *groups: list[int]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(found.severity, found.message, found.examples) for found in find_copies(clips, groups)]


def test_a_copy_in_another_split_is_a_leak():
    assert copies([clip("a", "train"), clip("b"), clip("c", "train")], [0, 1, 2]) == [
        ("invalid", "groups of media with the same content in different splits", ("a, b, c",))
    ]


def test_a_copy_of_the_other_label_is_a_conflict():
    assert copies([clip("a"), clip("b"), clip("c", label=1)], [0, 1, 2]) == [
        ("invalid", "groups of media with the same content, real and fake", ("a, c, b",))
    ]


def test_a_copy_beside_its_original_is_a_warning():
    assert copies([clip("a"), clip("b")], [0, 1]) == [
        ("warning", "groups of media with the same content, of one split and label", ("a, b",))
    ]


def test_a_frame_in_common_makes_no_copy_but_half_the_frames_do():
    frames = {"files": tuple(Path(f"{number}.png") for number in range(4))}
    clips = [clip("a", "train", **frames), clip("b", **frames)]
    assert copies(clips, [0, 1]) == []
    assert copies(clips, [0, 0, 0]) == []
    assert copies(clips, [0, 1], [0, 1]) == [
        ("invalid", "groups of media with the same content in different splits", ("a, b",))
    ]
