"""The videos of a DeepfakeBench JSON as manifest rows.

A frame is sought under the path that the JSON gives for it and, since such paths begin as on the machine where they
were written, under ever shorter ends of it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from config.errors import InputError
from preprocessing.clips import ABSENT, numbers_of
from preprocessing.dfb_json import POOL_NAME, ListedVideo
from preprocessing.dfb_labels import Labels
from preprocessing.manifest import Row

KEPT_FIRST = ("test", "val", "train")

NO_FRAMES = "no frames listed"


@dataclass(frozen=True, slots=True)
class Place:
    """A frame that was found: its key for the manifest, and the path under which it is there."""

    key: str
    path: str


class Finder:
    """Finds frames by the paths that a JSON gives for them.

    Args:
        holds: whether there is a frame under a POSIX path.
        anchors: folders that a key begins with where a path has one of them; otherwise it is the path that was found.

    Attributes:
        dropped: the beginnings that were taken off paths to find them.
    """

    def __init__(self, holds: Callable[[str], bool], anchors: Sequence[str] = ()) -> None:
        self._holds = holds
        self._anchors = anchors
        self._last = 0
        self.dropped: set[str] = set()

    def find(self, parts: Sequence[str]) -> Place | None:
        """The longest end of a path under which there is a frame; what fitted the last one is tried first."""
        for start in dict.fromkeys((self._last, *range(len(parts)))):
            path = "/".join(parts[start:])
            if path and self._holds(path):
                self._last = start
                self.dropped.add("/".join(parts[:start]))
                return Place("/".join(_from_anchor(parts, self._anchors) or parts[start:]), path)
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a JSON comes to.

    Attributes:
        videos: manifest rows of each video.
        paths: key -> path under which the frame was found.
        missing: paths of frames that are not there, as the JSON has them.
        repeated: paths of frames that are listed again, in the same split or in another, and are kept once.
        copies: how many videos of a split are left out, because another one has them too; the test set keeps its own.
    """

    videos: list[list[Row]] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    copies: Counter[str] = field(default_factory=Counter)


def list_rows(
    name: str,
    videos: Sequence[ListedVideo],
    labels: Labels,
    finder: Finder,
    levels: Sequence[str] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """Manifest rows of the videos of a JSON; `store` is left open.

    Args:
        name: the data set's name.
        videos: what `read_dfb_json` gives.
        labels: what class names mean.
        finder: finds the frames.
        levels: compression levels that folders of this data set are named by, for a JSON that has none itself.
        on_progress: called with (videos done, videos in all).

    Raises:
        InputError: an unknown class, a label against its class, a path that leaves its root, or a video or a frame that
            is real and fake.
    """
    listing = Listing()
    split_of: dict[str, str] = {}
    label_of: dict[str, int] = {}
    video_label: dict[tuple[str, ...], int] = {}
    for done, video in enumerate(sorted(videos, key=lambda video: KEPT_FIRST.index(video.split)), 1):
        parts = [_parts(frame) for frame in video.frames]
        base = _base_row(name, video, parts, labels, levels)
        if split_of.setdefault(base.video_id, video.split) != video.split:
            listing.copies[video.split] += 1
            continue
        if parts and video_label.setdefault((*parts[0][:-1], video.name), base.label) != base.label:
            raise InputError(f"{name}: the video {video.name} is listed as real and as fake")
        rows = [] if parts else [replace(base, skip=NO_FRAMES)]
        for number, frame, written in zip(_numbers(parts), parts, video.frames, strict=True):
            place = finder.find(frame)
            if place is None:
                listing.missing.append(written)
                rows.append(replace(base, frame=number, skip=ABSENT))
            elif label_of.setdefault(place.key, base.label) != base.label:
                raise InputError(f"{name}: {written} is listed as real and as fake")
            elif place.key in listing.paths:
                listing.repeated.append(written)
            else:
                listing.paths[place.key] = place.path
                rows.append(replace(base, frame=number, face=0, key=place.key))
        listing.videos.append(rows)
        if on_progress:
            on_progress(done, len(videos))
    return listing


def _base_row(
    name: str, video: ListedVideo, parts: Sequence[Sequence[str]], labels: Labels, levels: Sequence[str]
) -> Row:
    """What all rows of a video share. The id ends with the video's name, which is its folder's as a rule."""
    folder = list(parts[0][:-1]) if parts else []
    folder = list(_from_anchor(folder, (name, POOL_NAME))[1:] or folder)
    level = video.compression or next((part for part in folder if part in levels), "")
    ending = folder if folder[-1:] == [video.name] else [*folder, video.name]
    label = labels.label(video.label_name)
    if labels.find(video.class_name) not in (label, None):
        raise InputError(
            f"{name}: {video.name} has the label {video.label_name} below {video.class_name}; one is real, one is fake"
        )
    return Row(
        dataset=name,
        split=video.split,
        label=label,
        class_name=video.class_name,
        method=labels.method(video.class_name, label),
        compression=level,
        video_id="/".join(part for part in (name, video.class_name, level, *ending) if part),
        media="video",
        identity_target="",
        identity_source="",
        store="",
        source_path="/".join(folder),
        sha1="",
    )


def _parts(path: str) -> tuple[str, ...]:
    """The folders and the file of a path with either slash, without drive."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InputError(f"a frame path leaves its root: {path}")
    if parts and parts[0].endswith(":"):
        del parts[0]
    if not parts:
        raise InputError(f"'{path}' stands where the path of a frame is expected")
    return tuple(parts)


def _from_anchor(parts: Sequence[str], anchors: Sequence[str]) -> Sequence[str]:
    """The parts from the first anchor on; none if there is no anchor."""
    start = next((number for number, part in enumerate(parts) if part in anchors), len(parts))
    return parts[start:]


def _numbers(parts: Sequence[tuple[str, ...]]) -> list[int]:
    """Frame numbers: the files' names if they are different numbers, else the order in which they are listed."""
    different = dict.fromkeys(parts)
    numbers = numbers_of([PurePosixPath(part[-1]).stem for part in different])
    number_of = dict(zip(different, numbers, strict=True))
    return [number_of[part] for part in parts]
