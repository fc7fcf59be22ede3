"""The whole check of a data set on disk, each file looked at once."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from config.errors import InputError
from config.schema import DatasetConfig
from preprocessing.clips import Clip
from preprocessing.integrity.copies import equal_files, find_copies
from preprocessing.integrity.counts import compare_counts, count_classes, count_methods, find_unused
from preprocessing.integrity.files import Probe, find_unreadable, probe_files
from preprocessing.integrity.report import Finding, Integrity
from preprocessing.integrity.separability import find_separations, properties_of, separate
from preprocessing.integrity.splits import find_repeated, find_shared_identities
from preprocessing.layouts import list_clips

GRAVITY = {"invalid": 0, "warning": 1, "info": 2}


def check_integrity(
    config: DatasetConfig,
    root: Path,
    *,
    compression: str | None = None,
    split: str | None = None,
    quick: bool = False,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Integrity:
    """Compare what is on disk with what a data set should be.

    Args:
        config: the data set.
        root: the folder that holds it.
        compression: only this level.
        split: only this one, for who has, or needs, no other.
        quick: open no file: counts, splits, identities and empty files alone.
        workers: processes that look at files.
        on_progress: called with (files done, files in all); files that are read as a whole count once more.

    Raises:
        InputError: no such folder, a split file is missing or broken, or nothing was found.
    """
    listed = [clip for clip in list_clips(config, root, compression, absent=True) if split in (None, clip.split)]
    if not listed:
        raise InputError(f"--root: nothing of {config.name} below {root} is in split '{split}'")
    clips = [clip for clip in listed if not clip.skip]
    paths = [path for clip in clips for path in clip.files]
    counter = _Counter(len(paths), on_progress)
    probes = probe_files(paths, opened=not quick, workers=workers, on_progress=counter.advance)
    of_clip = _by_clip(clips, probes)
    separations = separate(clips, properties_of(clips, of_clip))
    classes, methods = count_classes(clips, config, split), count_methods(clips)
    findings = chain(
        compare_counts(classes, config),
        find_unused(listed),
        find_unreadable(listed, clips, of_clip),
        find_repeated(clips),
        _copies(clips, paths, probes, workers, counter) if not quick else (),
        find_shared_identities(clips),
        find_separations(separations),
    )
    return Integrity(
        dataset=config.name,
        quick=quick,
        media=len(clips),
        files=len(paths),
        classes=classes,
        methods=methods,
        separations=separations,
        findings=tuple(sorted(findings, key=lambda finding: GRAVITY[finding.severity])),
    )


def _copies(
    clips: Sequence[Clip], paths: Sequence[Path], probes: Sequence[Probe], workers: int, counter: "_Counter"
) -> Iterator[Finding]:
    owner = [index for index, clip in enumerate(clips) for _ in clip.files]
    groups = equal_files(paths, probes, workers=workers, on_start=counter.expect, on_progress=counter.advance)
    yield from find_copies(clips, [[owner[place] for place in group] for group in groups])


def _by_clip(clips: Sequence[Clip], probes: Sequence[Probe]) -> list[list[Probe]]:
    """The probes of each clip's files."""
    following = iter(probes)
    return [[next(following) for _ in clip.files] for clip in clips]


class _Counter:
    """How many files are done, of how many."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.report = 0, total, report

    def expect(self, more: int) -> None:
        self.total += more

    def advance(self, count: int) -> None:
        self.done += count
        if self.report:
            self.report(self.done, self.total)
