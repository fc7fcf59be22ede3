"""Who is in each of the demo's data sets, what is made of them, and where it lies.

DemoFF has FaceForensics++'s layout, split by identity, with four manipulations and their masks. DemoX has Celeb-DF's
layout, other identities, other manipulations, another size and codec. DemoDF40 has DF40's layout: thirteen
manipulations in DF40's four families, each of people of DemoFF's test split and of people of DemoX. DemoDiFF has DiFF's
layout: stills of people of DemoX, two manipulations of each of DiFF's four kinds. In each, real and forged media have
the same length, the same camera, and go through the same encoder once.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.demo.animate import landmark_track, perform
from benchmark.demo.encode import C23, MPEG4, write_still, write_video
from benchmark.demo.forge import FaceSpace, Frames, Offsets, expression_offsets
from benchmark.demo.portraits import Portrait, frame_face
from benchmark.demo.targets import Forgery, Target
from config.files import write_text

FRAMES = 24
FEW_FRAMES = 8  # of DemoDF40, which is only tested on
DEMOFF_SIZE, DEMOX_SIZE = 320, 288
DEMOFF_METHODS = ("LandmarkSwap", "ExpressionWarp", "LinearAutoencoder", "SuperResolution")
DEMOX_METHODS = ("PoissonSwap", "BoxSwap", "MouthSwap")
DEMODF40_METHODS = {
    "FS": ("LandmarkSwap", "PoissonSwap", "BoxSwap", "RegionSwap"),
    "FR": ("ExpressionWarp", "MouthSwap", "StillPuppet"),
    "EFS": ("FaceMorph", "ChimericFace", "PatchCodebook", "Denoising"),
    "FE": ("FeatureWarp", "SkinSmoothing"),
}
DEMODIFF_METHODS = {
    "T2I": ("FaceMorph", "ChimericFace"),
    "I2I": ("PatchCodebook", "Denoising"),
    "FS": ("PoissonSwap", "BoxSwap"),
    "FE": ("FeatureWarp", "SkinSmoothing"),
}
DEMODF40_PEOPLE, DEMODIFF_PEOPLE = 6, 10  # at most; DemoDF40's of each domain

_WRITE_C23, _WRITE_MPEG4 = partial(write_video, encoder=C23), partial(write_video, encoder=MPEG4)


def people_of_demoff(portraits: Sequence[Portrait]) -> Sequence[Portrait]:
    """Three quarters of all people."""
    return portraits[len(portraits) // 4 :]


def people_of_demox(portraits: Sequence[Portrait]) -> Sequence[Portrait]:
    """The other quarter."""
    return portraits[: len(portraits) // 4]


def split_pairs(identities: int, seed: int) -> dict[str, list[list[str]]]:
    """FaceForensics++'s splits for ids "000", "001", ...: pairs of target and source, to be used both ways.

    Five eighths of the pairs go to train, an eighth to val, a quarter to test; val and test get at least one.
    """
    order = np.random.default_rng([seed, 0]).permutation(identities - identities % 2)
    pairs = [sorted(f"{identity:03d}" for identity in pair) for pair in order.reshape(-1, 2).tolist()]
    test, val = max(1, len(pairs) // 4), max(1, len(pairs) // 8)
    return {"train": pairs[test + val :], "val": pairs[test : test + val], "test": pairs[:test]}


def _plan_demoff(pool: Executor, root: Path, portraits: Sequence[Portrait], seed: int) -> Iterator[Target]:
    people = people_of_demoff(portraits)
    splits = split_pairs(len(people), seed)
    for split, pairs in splits.items():
        write_text(root / f"{split}.json", json.dumps(pairs))
    framed = _framed(people, DEMOFF_SIZE)
    space = pool.submit(FaceSpace.fit, [framed[name] for pair in splits["train"] for name in pair]).result()
    for name, other in _both_ways(pair for pairs in splits.values() for pair in pairs):
        expression = _own_expression(framed[other], (seed, 1, int(other)))
        forgeries = tuple(
            Forgery(
                method,
                framed[other],
                expression,
                (seed, 2, int(name), index),
                root / "manipulated_sequences" / method / "c23" / "videos" / f"{name}_{other}.mp4",
                root / "manipulated_sequences" / method / "masks" / "videos" / f"{name}_{other}.mp4",
            )
            for index, method in enumerate(DEMOFF_METHODS)
        )
        video = root / "original_sequences" / "demo" / "c23" / "videos" / f"{name}.mp4"
        yield Target(framed[name], FRAMES, (seed, 1, int(name)), video, forgeries, _WRITE_C23, space)


def _plan_demox(_: Executor, root: Path, portraits: Sequence[Portrait], seed: int) -> Iterator[Target]:
    framed = [frame_face(portrait, DEMOX_SIZE) for portrait in people_of_demox(portraits)]
    celebrities, strangers = _celebrities(framed), len(framed) - _celebrities(framed)
    reals = [f"Celeb-real/id{index}_0000.mp4" for index in range(celebrities)]
    reals += [f"YouTube-real/{index:05d}.mp4" for index in range(strangers)]
    methods: dict[str, str] = {}
    targets = []
    for index, real in enumerate(reals):
        forgeries = []
        for number, method in enumerate(DEMOX_METHODS if index < celebrities else ()):
            other = (index + 1 + number % (celebrities - 1)) % celebrities
            fake = f"Celeb-synthesis/id{index}_id{other}_{number:04d}.mp4"
            methods[fake] = method
            expression = _own_expression(framed[other], (seed, 3, other))
            forgeries.append(Forgery(method, framed[other], expression, (seed, 4, index, number), root / fake))
        targets.append(Target(framed[index], FRAMES, (seed, 3, index), root / real, tuple(forgeries), _WRITE_MPEG4))
    listing = [f"1 {path}" for path in reals] + [f"0 {path}" for path in methods]
    write_text(root / "List_of_testing_videos.txt", "\n".join(listing) + "\n")
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("path", "method"), *methods.items()])
    write_text(root / "methods.csv", table.getvalue())
    yield from targets


def _plan_demodf40(_: Executor, root: Path, portraits: Sequence[Portrait], seed: int) -> Iterator[Target]:
    """Other clips of people of DemoFF's test split, domain ff, and of DemoX's celebrities, domain cdf."""
    of_ff, of_x = people_of_demoff(portraits), people_of_demox(portraits)
    tested = list(_both_ways(split_pairs(len(of_ff), seed)["test"]))[:DEMODF40_PEOPLE]
    celebrities = min(DEMODF40_PEOPLE, _celebrities(of_x))
    ring = [(f"id{index}", f"id{(index + 1) % celebrities}") for index in range(celebrities)]
    framed = _framed(of_ff, DEMOFF_SIZE)
    real = "DemoFF/original_sequences/demo/c23/videos/{}.mp4"
    yield from _of_df40("ff", tested, framed, real, "{}_{}", (seed, 5), root, _WRITE_C23)
    framed = {f"id{index}": frame_face(person, DEMOX_SIZE) for index, person in enumerate(of_x[:celebrities])}
    yield from _of_df40(
        "cdf", ring, framed, "DemoX/Celeb-real/{}_0000.mp4", "{}_{}_0000", (seed, 6), root, _WRITE_MPEG4
    )


def _of_df40(
    domain: str,
    pairs: Sequence[tuple[str, str]],
    framed: Mapping[str, Portrait],
    real: str,
    fake: str,
    seed: tuple[int, ...],
    root: Path,
    write: Callable[[Path, Frames], None],
) -> Iterator[Target]:
    """DemoDF40's targets of a domain.

    Args:
        domain: ff or cdf.
        pairs: names of target and source.
        framed: everyone by name.
        real: where the real clip lies, its name to be filled in.
        fake: the name of a fake, those of target and source to be filled in.
        seed: of the domain.
        root: of the data set.
        write: as of `Target`.
    """
    methods = [method for family in DEMODF40_METHODS.values() for method in family]
    for place, (name, other) in enumerate(pairs):
        expression = _own_expression(framed[other], (*seed, place, 0), FEW_FRAMES)
        forgeries = tuple(
            Forgery(
                method,
                framed[other],
                expression,
                (*seed, place, 2 + index),
                root / "DF40" / method / domain / "videos" / f"{fake.format(name, other)}.mp4",
            )
            for index, method in enumerate(methods)
        )
        yield Target(framed[name], FEW_FRAMES, (*seed, place, 1), root / real.format(name), forgeries, write)


def _plan_demodiff(_: Executor, root: Path, portraits: Sequence[Portrait], seed: int) -> Iterator[Target]:
    framed = [frame_face(person, DEMOX_SIZE) for person in people_of_demox(portraits)[:DEMODIFF_PEOPLE]]
    for index, person in enumerate(framed):
        other = framed[(index + 1) % len(framed)]
        expression = _own_expression(other, (seed, 7, index, 0), 1)
        places = [(kind, method) for kind, methods in DEMODIFF_METHODS.items() for method in methods]
        forgeries = tuple(
            Forgery(
                method,
                other,
                expression,
                (seed, 7, index, 2 + number),
                root / "test" / kind / method / f"{index:04d}.jpg",
            )
            for number, (kind, method) in enumerate(places)
        )
        real = root / "DiFF_real" / "test" / f"{index:04d}.jpg"
        yield Target(person, 1, (seed, 7, index, 1), real, forgeries, write_still)


PLANS: Mapping[str, Callable[[Executor, Path, Sequence[Portrait], int], Iterator[Target]]] = {
    "DemoFF": _plan_demoff,
    "DemoX": _plan_demox,
    "DemoDF40": _plan_demodf40,
    "DemoDiFF": _plan_demodiff,
}
"""(pool, root, all portraits, seed) -> the targets of each data set; lists that belong to it are written on the way."""


def _framed(people: Sequence[Portrait], size: int) -> dict[str, Portrait]:
    """People of DemoFF by their ids."""
    return {f"{index:03d}": frame_face(person, size) for index, person in enumerate(people)}


def _celebrities(people: Sequence[Portrait]) -> int:
    """How many of DemoX's people are forged; there are real clips alone of the others, a quarter."""
    return len(people) - len(people) // 4


def _both_ways(pairs: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Pairs of target and source, each in both roles."""
    for first, second in pairs:
        yield first, second
        yield second, first


def _own_expression(portrait: Portrait, seed: tuple[int, ...], count: int = FRAMES) -> Offsets:
    """The expression that an identity has in a clip of its own of `count` frames, that of this seed."""
    track = landmark_track(portrait.landmarks, perform(count, np.random.default_rng(seed)))
    return expression_offsets(track, portrait.landmarks)
