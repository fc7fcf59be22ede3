"""Whether splits are apart: no video in two of them, and which identities are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from preprocessing.clips import Clip
from preprocessing.integrity.report import Finding
from preprocessing.layouts.media import SPLITS


def find_repeated(clips: Sequence[Clip]) -> Iterator[Finding]:
    """The same media listed in two splits.

    Media of one file name in several splits are told as well. If the people in them are known to be the same, they are
    one video, made or encoded twice, which no comparison of bytes finds; else they may just be numbered alike.

    Args:
        clips: usable ones.
    """
    of_name, of_stem = defaultdict(list), defaultdict(list)
    for clip in clips:
        of_name[clip.name].append(clip)
        of_stem[clip.class_name, clip.compression, clip.name.rpartition("/")[2]].append(clip)
    splits = {name: sorted({clip.split for clip in same}) for name, same in of_name.items()}
    repeated = tuple(f"{name} ({', '.join(found)})" for name, found in splits.items() if len(found) > 1)
    if repeated:
        yield Finding("splits", "invalid", "media that are in more than one split", repeated)
    across = [
        same
        for same in of_stem.values()
        if len({clip.name for clip in same}) > 1 and len({clip.split for clip in same}) > 1
    ]
    twice = _named([same for same in across if _show_the_same(same)])
    alike = _named([same for same in across if not _show_the_same(same)])
    if twice:
        yield Finding("splits", "warning", "videos of the same name and people in several splits", twice)
    if alike:
        yield Finding("splits", "info", "media of one name in several splits, numbered alike or encoded again", alike)


def find_shared_identities(clips: Sequence[Clip]) -> Iterator[Finding]:
    """People in the training split whom another split has as well, by the target and the source of each clip.

    Some data sets are made so; a figure on them says less of unseen people than one on a data set that is not.

    Args:
        clips: usable ones.
    """
    people: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        people[clip.split].update(_identities(clip))
    for split in SPLITS[1:]:
        shared = people["train"] & people[split]
        if not shared:
            continue
        among = [clip for clip in clips if clip.split == split]
        concerned = sum(not shared.isdisjoint(_identities(clip)) for clip in among)
        message = (
            f"{len(shared)} of {len(people[split])} identities of {split} are in train as well, "
            f"in {concerned} of {len(among)} media of {split}"
        )
        yield Finding("identities", "warning", message, tuple(sorted(shared)))


def _show_the_same(clips: Sequence[Clip]) -> bool:
    """Whether the people in all clips are known, and the same."""
    people = {(clip.identity_target, clip.identity_source) for clip in clips}
    return len(people) == 1 and people != {("", "")}


def _named(groups: Sequence[Sequence[Clip]]) -> tuple[str, ...]:
    return tuple(", ".join(sorted({clip.name for clip in same})) for same in groups)


def _identities(clip: Clip) -> set[str]:
    return {clip.identity_target, clip.identity_source} - {""}
