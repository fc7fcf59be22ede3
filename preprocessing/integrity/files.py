"""Every file of a data set looked at once, cheaply and by several processes: can it be read, and what is it."""

import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

import cv2

from preprocessing.clips import EMPTY, VIDEO_SUFFIXES, Clip, UnreadableMediaError, read_image
from preprocessing.engines import run_local
from preprocessing.integrity.headers import TAIL, Header, image_header, is_cut_off
from preprocessing.integrity.report import Finding

R = TypeVar("R")
Progress = Callable[[int], None]
Batch = tuple[str, ...]

HEAD = 1 << 13  # bytes that, with the last ones, tell most files apart
BATCH = 64  # files for a worker at a time
MOST_UNREADABLE = 0.01  # of the files of a class in a split


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look at a file gave.

    Attributes:
        size: in bytes.
        problem: why it cannot be read, or "".
        header: what it says of itself; None if it was not opened or cannot be read.
        ends: digest of its first and last bytes; empty if it was not opened.
    """

    size: int
    problem: str = ""
    header: Header | None = None
    ends: bytes = b""

    @property
    def is_told_by_ends(self) -> bool:
        """Whether the digest of the ends is that of all its bytes."""
        return self.size <= HEAD + TAIL


def probe_files(paths: Sequence[Path], *, opened: bool, workers: int, on_progress: Progress) -> list[Probe]:
    """Look at files, in their order.

    Args:
        paths: the files.
        opened: read their headers; otherwise sizes alone.
        workers: processes.
        on_progress: called with the number of files that were done since it was last called.
    """
    return list(_spread(partial(_start_probing, opened), paths, workers, on_progress))


def digest_files(paths: Sequence[Path], *, workers: int, on_progress: Progress) -> list[bytes]:
    """Digests of all bytes of files, in their order; an empty one where a file cannot be read any more."""
    return list(_spread(_start_digesting, paths, workers, on_progress))


def find_unreadable(
    listed: Sequence[Clip], clips: Sequence[Clip], probes: Sequence[Sequence[Probe]]
) -> Iterator[Finding]:
    """Files that cannot be read, and folders without frames: invalid where too much of a class in a split is missing.

    Args:
        listed: all clips.
        clips: the usable ones.
        probes: those of the files of each usable clip.
    """
    files = Counter[tuple[str, str, str]]()
    broken: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for clip, looked in zip(clips, probes, strict=True):
        files[_group(clip)] += len(looked)
        for path, probe in zip(clip.files, looked, strict=True):
            if probe.problem:
                broken[_group(clip)].append(f"{path} ({probe.problem})")
    for clip in listed:
        if clip.skip == EMPTY:
            files[_group(clip)] += 1
            broken[_group(clip)].append(f"{clip.name} ({EMPTY})")
    if broken:
        shares = {group: len(paths) / files[group] for group, paths in broken.items()}
        worst = max(shares, key=lambda group: shares[group])
        place = " ".join(filter(None, worst))
        yield Finding(
            "unreadable",
            "invalid" if shares[worst] > MOST_UNREADABLE else "warning",
            f"files that cannot be read, at most {shares[worst]:.1%} of a class in a split ({place})",
            tuple(chain.from_iterable(broken.values())),
        )


def probe_file(path: Path, opened: bool = True) -> Probe:
    """Look at one file.

    Of a JPEG or PNG the header is read and the end looked for; an image of another kind is decoded. A video's first
    frame is decoded. A file that ends before its container says cannot be read.

    Args:
        path: an image or a video.
        opened: read more than its size.
    """
    size = 0
    try:
        size = path.stat().st_size
        if size == 0:
            return Probe(0, "empty file")
        if not opened:
            return Probe(size)
        with path.open("rb") as file:
            head = file.read(HEAD)
            file.seek(max(HEAD, size - TAIL))
            tail = file.read()
            header = _header(path, io.BytesIO(head) if size <= HEAD else file, size)
        return Probe(size, "", header, hashlib.blake2b(head + tail, digest_size=16).digest())
    except UnreadableMediaError as error:
        return Probe(size, str(error))
    except OSError as error:
        return Probe(size, error.strerror or type(error).__name__)


def _header(path: Path, file: BinaryIO, size: int) -> Header:
    file.seek(0)
    if is_cut_off(file, size):
        raise UnreadableMediaError("cut off")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video_header(path)
    file.seek(0)
    return image_header(file) or _decoded_header(path)


def _decoded_header(path: Path) -> Header:
    image = read_image(path)
    if image is None:
        raise UnreadableMediaError("not an image")
    return Header(path.suffix.lower().removeprefix("."), image.shape[1], image.shape[0])


def _video_header(path: Path) -> Header:
    capture = cv2.VideoCapture(str(path))
    try:
        frames = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        if frames <= 0:
            raise UnreadableMediaError("not a video")
        if not capture.grab():
            raise UnreadableMediaError("no frame can be decoded")
        rate = round(float(capture.get(cv2.CAP_PROP_FPS)), 2)
        return Header(
            codec=int(capture.get(cv2.CAP_PROP_FOURCC))
            .to_bytes(4, "little", signed=True)
            .decode("latin-1")
            .strip("\0 "),
            width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            frame_rate=rate if rate > 0 else None,
            frames=frames,
        )
    finally:
        capture.release()


def _digest(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, hashlib.blake2b).digest()
    except OSError:
        return b""


def _start_probing(opened: bool) -> Callable[[Batch], list[Probe]]:
    return lambda batch: [probe_file(Path(path), opened) for path in batch]


def _start_digesting() -> Callable[[Batch], list[bytes]]:
    return lambda batch: [_digest(path) for path in batch]


def _spread(
    start: Callable[[], Callable[[Batch], list[R]]], paths: Sequence[Path], workers: int, on_progress: Progress
) -> Iterator[R]:
    """Work on files in batches, with no more processes than there are batches."""
    batches = [tuple(map(os.fspath, paths[first : first + BATCH])) for first in range(0, len(paths), BATCH)]
    for batch, results in run_local(start, batches, min(workers, len(batches))):
        on_progress(len(batch))
        yield from results


def _group(clip: Clip) -> tuple[str, str, str]:
    return clip.class_name, clip.compression, clip.split
