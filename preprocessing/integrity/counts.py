"""How many media there are, how many there should be, and what is listed but cannot be used."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from config.schema import DatasetConfig
from preprocessing.clips import ABSENT, EMPTY, Clip
from preprocessing.integrity.report import Finding, Tally
from preprocessing.layouts.media import SPLITS


def count_classes(clips: Sequence[Clip], config: DatasetConfig, only: str | None = None) -> tuple[Tally, ...]:
    """Counts of each class beside what the data set's card expects of it.

    What is expected is expected of every compression level that is there at all. A split that is neither found nor
    expected has no count.

    Args:
        clips: usable ones.
        config: the data set.
        only: the one split of which something is expected; None for all.
    """
    expected: dict[tuple[str, str], int] = {
        (count.class_name, count.split): count.media for count in config.card.expected if only in (None, count.split)
    }
    found = _count(clips, lambda clip: clip.class_name)
    names = dict.fromkeys([*(entry.class_name for entry in config.classes), *sorted(name for name, _, _ in found)])
    levels = sorted({clip.compression for clip in clips}) or [""]
    splits = dict.fromkeys([*SPLITS, *sorted({clip.split for clip in clips})])
    tallies = (
        Tally(name, level, split, found[name, level, split], expected.get((name, split)))
        for name, level, split in itertools.product(names, levels, splits)
    )
    return tuple(tally for tally in tallies if tally.found or tally.expected)


def count_methods(clips: Sequence[Clip]) -> tuple[Tally, ...]:
    """Counts of each method."""
    found = _count(clips, lambda clip: clip.method)
    return tuple(Tally(*key, found[key]) for key in sorted(found))


def compare_counts(tallies: Sequence[Tally], config: DatasetConfig) -> Iterator[Finding]:
    """Where the counts are not those of a whole copy: fewer are invalid, as no media of a class, more are a warning."""
    counted = {tally.name for tally in tallies}
    needed = dict.fromkeys(entry.class_name for entry in config.classes if not entry.optional)
    nothing = tuple(name for name in needed if name not in counted)
    if nothing:
        yield Finding("counts", "invalid", "classes of which there is nothing", nothing)
    if not config.card.expected:
        yield Finding("counts", "info", "no expected counts are known of this data set")
        return
    optional = {entry.class_name for entry in config.classes if entry.optional}
    there = {(tally.name, tally.compression) for tally in tallies if tally.found}
    missed = [tally for tally in tallies if tally.name not in optional or (tally.name, tally.compression) in there]
    if len(missed) < len(tallies):
        absent = dict.fromkeys(_place(tally) for tally in tallies if tally not in missed)
        yield Finding("counts", "info", "optional classes that are not there", tuple(absent))
    judged = [tally for tally in missed if tally.expected is not None]
    fewer = [_said(tally) for tally in judged if tally.found < (tally.expected or 0)]
    more = [_said(tally) for tally in judged if tally.found > (tally.expected or 0)]
    if fewer:
        yield Finding("counts", "invalid", "fewer media than a whole copy holds", tuple(fewer))
    if more:
        yield Finding("counts", "warning", "more media than a whole copy holds", tuple(more))
    unknown = tuple(f"{_place(tally)} {tally.split}" for tally in tallies if tally.expected is None)
    if unknown:
        yield Finding("counts", "info", "splits of classes of which no counts are known", unknown)


def find_unused(clips: Sequence[Clip]) -> Iterator[Finding]:
    """Media that are listed and absent, and media that are there and not used, with the reason."""
    names = defaultdict(list)
    for clip in clips:
        if clip.skip and clip.skip != EMPTY:
            names[clip.skip].append(clip.name)
    absent = names.pop(ABSENT, [])
    if absent:
        yield Finding("absent", "invalid", "media that a split file names are absent", tuple(absent))
    for reason, skipped in names.items():
        yield Finding("unused", "info", f"media that are not used: {reason}", tuple(skipped))


def _count(clips: Sequence[Clip], name: Callable[[Clip], str]) -> Counter[tuple[str, str, str]]:
    return Counter((name(clip), clip.compression, clip.split) for clip in clips)


def _said(tally: Tally) -> str:
    return f"{_place(tally)} {tally.split}: {tally.found} of {tally.expected}"


def _place(tally: Tally) -> str:
    return " ".join(filter(None, (tally.name, tally.compression)))
