"""Media of equal content: copies within a class, between splits (a leak), and between real and fake."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path

from preprocessing.clips import Clip
from preprocessing.integrity.files import Probe, Progress, digest_files
from preprocessing.integrity.report import Finding, Severity


def equal_files(
    paths: Sequence[Path], probes: Sequence[Probe], *, workers: int, on_start: Progress, on_progress: Progress
) -> list[list[int]]:
    """Groups of files with the same bytes, as positions, at least two in each.

    Files of different size or different ends differ; what is left is read as a whole, unless the ends are the whole.

    Args:
        paths: the files.
        probes: of each; those that cannot be read are equal to none.
        workers: processes that read.
        on_start: called with the number of files that have to be read as a whole.
        on_progress: called with the number of files read.
    """
    alike = equal_keys([None if probe.problem else (probe.size, probe.ends) for probe in probes])
    told = [group for group in alike if probes[group[0]].is_told_by_ends]
    doubtful = [index for group in alike if not probes[group[0]].is_told_by_ends for index in group]
    on_start(len(doubtful))
    digests = digest_files([paths[index] for index in doubtful], workers=workers, on_progress=on_progress)
    read = equal_keys([digest or None for digest in digests])
    return told + [[doubtful[place] for place in group] for group in read]


def equal_keys(keys: Sequence[Hashable | None]) -> list[list[int]]:
    """Positions of equal keys, at least two in each group; None equals nothing."""
    groups = defaultdict(list)
    for index, key in enumerate(keys):
        if key is not None:
            groups[key].append(index)
    return [group for group in groups.values() if len(group) > 1]


def find_copies(clips: Sequence[Clip], groups: Sequence[Sequence[int]]) -> Iterator[Finding]:
    """Copies among clips. One made of many frames is a copy if half of them are; a black frame makes none.

    Args:
        clips: usable ones.
        groups: for each group of equal files the clip of each, as its position.
    """

    def split(index: int) -> str:
        return clips[index].split

    def label(index: int) -> int:
        return clips[index].label

    one_sided = [group for group in groups if not _differ(group, split) and not _differ(group, label)]
    kinds: list[tuple[Severity, str, list[tuple[int, ...]]]] = [
        ("invalid", "groups of media with the same content in different splits", _copies(clips, groups, split)),
        ("invalid", "groups of media with the same content, real and fake", _copies(clips, groups, label)),
        (
            "warning",
            "groups of media with the same content, of one split and label",
            _copies(clips, one_sided, lambda index: index),
        ),
    ]
    for severity, message, found in kinds:
        if found:
            yield Finding(
                "copies", severity, message, tuple(_named([clips[index] for index in group]) for group in found)
            )


def _copies(
    clips: Sequence[Clip], groups: Sequence[Sequence[int]], side: Callable[[int], Hashable]
) -> list[tuple[int, ...]]:
    """Groups of clips on different sides, each once, that hold one whose files have for the most part copies."""
    across = [group for group in groups if _differ(group, side)]
    shared = Counter(index for group in across for index in group)
    copied = {index for index, count in shared.items() if 2 * count >= len(clips[index].files)}
    members = (tuple(sorted(set(group))) for group in across)
    return list(dict.fromkeys(group for group in members if not copied.isdisjoint(group)))


def _differ(group: Sequence[int], side: Callable[[int], Hashable]) -> bool:
    return len({side(index) for index in group}) > 1


def _named(group: Sequence[Clip]) -> str:
    """The names of a group, the first of each split and label in front, since a group can be long."""
    sides = Counter[tuple[str, int]]()
    places = []
    for clip in group:
        places.append(sides[clip.split, clip.label])
        sides[clip.split, clip.label] += 1
    return ", ".join(group[index].name for index in sorted(range(len(group)), key=places.__getitem__))
