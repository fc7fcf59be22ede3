"""The demo's two data sets: stills become clips, clips become forgeries, all become video files in known layouts.

DemoFF has FaceForensics++'s layout, split by identity, with four manipulations and their masks. DemoX has Celeb-DF's
layout, other identities, other manipulations, another size and codec. In each, real and forged clips have the same
length, the same camera, and go through the same encoder once.
"""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.demo.animate import Camera, Clip, animate, landmark_track, perform
from benchmark.demo.encode import C23, MASK, MPEG4, write_video
from benchmark.demo.forge import (
    FaceSpace,
    Frames,
    Masks,
    Offsets,
    box_swap,
    expression_offsets,
    expression_warp,
    landmark_swap,
    linear_autoencoder,
    mouth_swap,
    poisson_swap,
    super_resolution,
)
from benchmark.demo.portraits import Portrait, find_pictures, frame_face, read_portraits
from config.errors import InputError
from config.files import write_text
from preprocessing.landmarks import find_predictor
from preprocessing.workers import cores, settle, worker_context

STILLS = Path(__file__).parent / "stills"
FRAMES = 24
MIN_IDENTITIES, MAX_IDENTITIES = 16, 72
DEMOFF_SIZE, DEMOX_SIZE = 320, 288
DEMOFF_METHODS = ("LandmarkSwap", "ExpressionWarp", "LinearAutoencoder", "SuperResolution")
DEMOX_METHODS = ("PoissonSwap", "BoxSwap", "MouthSwap")

_RECIPE = 2  # raise it when the same seed no longer gives the same pictures
_STAMP = "demo.json"
_CHUNK = 12  # pictures read by one process at a time
_PARTS = ("DemoFF", "DemoX")


def build_demo(
    out: Path,
    faces: Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes `out/DemoFF`, `out/DemoX` and `out/demo.json`.

    Clips that are already there are kept, unless they come from another seed or other pictures: then all is built anew.

    Args:
        out: the folder; made if need be.
        faces: a folder of the user's photographs, one person each (jpg or png, searched recursively); None takes the
            committed stills of people who do not exist.
        seed: decides on splits, pairs, motion and forgeries.
        workers: processes; None takes one for each CPU.
        on_progress: called with the number of finished targets (a real clip and its forgeries) and their total.

    Raises:
        InputError: no such folder, too few pictures with a usable face, or `out` holds data sets that no demo made.
    """
    folder = STILLS if faces is None else faces
    if not folder.is_dir():
        raise InputError(f"--faces: no such folder: {folder}")
    check_place(out)
    pictures = find_pictures(folder)
    with ProcessPoolExecutor(workers or cores(), worker_context(), _one_thread) as pool:
        try:
            portraits, counts = _collect(pool, pictures, folder)
            claim(out, {"recipe": _RECIPE, "seed": seed, "faces": _digest(portraits), **counts})
            targets = [
                *_plan_demoff(pool, out / "DemoFF", portraits[len(portraits) // 4 :], seed),
                *_plan_demox(out / "DemoX", portraits[: len(portraits) // 4], seed),
            ]
            futures = [pool.submit(make_target, target) for target in targets]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if on_progress:
                    on_progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Forgery:
    """One forged clip to be made from a target.

    Attributes:
        method: of DEMOFF_METHODS or DEMOX_METHODS.
        source: the identity that is put on, framed like the target.
        expression: (T, 81, 2) the source's expression in its own real clip.
        seed: of the manipulation's generator.
        video: the file to write.
        mask: the mask video to write, or None.
    """

    method: str
    source: Portrait
    expression: Offsets
    seed: tuple[int, ...]
    video: Path
    mask: Path | None


@dataclass(frozen=True, slots=True)
class Target:
    """One identity's real clip and the forgeries made from it.

    Attributes:
        part: "DemoFF" or "DemoX"; it decides on the encoder.
        portrait: the identity, framed.
        seed: of its performance and camera.
        video: the real clip's file.
        forgeries: what is made from it.
        space: for LinearAutoencoder.
    """

    part: str
    portrait: Portrait
    seed: tuple[int, ...]
    video: Path
    forgeries: tuple[Forgery, ...]
    space: FaceSpace | None


def make_target(target: Target) -> None:
    """Writes those files of a target that are not there yet."""
    if target.video.exists() and all(_is_made(forgery) for forgery in target.forgeries):
        return
    rng = np.random.default_rng(target.seed)
    clip = animate(target.portrait, perform(FRAMES, rng))
    camera = Camera.draw(clip.frames.shape, rng)
    encoder = C23 if target.part == "DemoFF" else MPEG4
    if not target.video.exists():
        write_video(target.video, camera.shoot(clip.frames), encoder)
    for forgery in target.forgeries:
        if not _is_made(forgery):
            frames, masks = forge_clip(clip, forgery, target.space)
            if forgery.mask:
                write_video(forgery.mask, masks, MASK)
            write_video(forgery.video, camera.shoot(frames), encoder)


def forge_clip(clip: Clip, forgery: Forgery, space: FaceSpace | None) -> tuple[Frames, Masks]:
    """Runs a manipulation by its name: frames (T, H, W, 3) and masks (T, H, W), uint8."""
    rng = np.random.default_rng(forgery.seed)
    source = forgery.source
    match forgery.method:
        case "LandmarkSwap":
            return landmark_swap(clip, source, rng)
        case "ExpressionWarp":
            return expression_warp(clip, forgery.expression, rng)
        case "LinearAutoencoder" if space is not None:
            return linear_autoencoder(clip, source, space, rng)
        case "SuperResolution":
            return super_resolution(clip, rng)
        case "PoissonSwap":
            return poisson_swap(clip, source, rng)
        case "BoxSwap":
            return box_swap(clip, source, rng)
        case "MouthSwap":
            return mouth_swap(clip, source, forgery.expression, rng)
    raise ValueError(f"no manipulation '{forgery.method}'")


def check_place(out: Path) -> None:
    """Refuses a folder that holds data sets of the demo's names which no demo made.

    Raises:
        InputError: `out` has DemoFF or DemoX but no stamp.
    """
    foreign = [out / part for part in _PARTS if (out / part).exists()]
    if foreign and not (out / _STAMP).is_file():
        raise InputError(f"{foreign[0]} was not made by the demo ({out / _STAMP} is missing); choose another folder")


def claim(out: Path, stamp: dict[str, Any]) -> None:
    """Makes `out` the place of one demo: what another seed or other pictures left there is removed.

    Args:
        out: a folder that `check_place` accepts.
        stamp: what decides on the clips' content; written to `out/demo.json`.
    """
    check_place(out)
    path = out / _STAMP
    content = json.dumps(stamp, indent=2, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return
    for part in _PARTS:
        if (out / part).exists():
            shutil.rmtree(out / part)
    write_text(path, content)


def split_pairs(identities: int, seed: int) -> dict[str, list[list[str]]]:
    """FaceForensics++'s splits for ids "000", "001", ...: pairs of target and source, to be used both ways.

    Five eighths of the pairs go to train, an eighth to val, a quarter to test; val and test get at least one.
    """
    order = np.random.default_rng([seed, 0]).permutation(identities - identities % 2)
    pairs = [sorted(f"{identity:03d}" for identity in pair) for pair in order.reshape(-1, 2).tolist()]
    test, val = max(1, len(pairs) // 4), max(1, len(pairs) // 8)
    return {"train": pairs[test + val :], "val": pairs[test : test + val], "test": pairs[:test]}


def _plan_demoff(pool: Executor, root: Path, portraits: list[Portrait], seed: int) -> Iterator[Target]:
    splits = split_pairs(len(portraits), seed)
    for split, pairs in splits.items():
        write_text(root / f"{split}.json", json.dumps(pairs))
    framed = {f"{index:03d}": frame_face(portrait, DEMOFF_SIZE) for index, portrait in enumerate(portraits)}
    space = pool.submit(FaceSpace.fit, [framed[name] for pair in splits["train"] for name in pair]).result()
    for pair in (pair for pairs in splits.values() for pair in pairs):
        for name, other in (pair, pair[::-1]):
            forgeries = tuple(
                Forgery(
                    method,
                    framed[other],
                    _own_expression(framed[other], (seed, 1, int(other))),
                    (seed, 2, int(name), index),
                    root / "manipulated_sequences" / method / "c23" / "videos" / f"{name}_{other}.mp4",
                    root / "manipulated_sequences" / method / "masks" / "videos" / f"{name}_{other}.mp4",
                )
                for index, method in enumerate(DEMOFF_METHODS)
            )
            video = root / "original_sequences" / "demo" / "c23" / "videos" / f"{name}.mp4"
            yield Target("DemoFF", framed[name], (seed, 1, int(name)), video, forgeries, space)


def _plan_demox(root: Path, portraits: list[Portrait], seed: int) -> Iterator[Target]:
    framed = [frame_face(portrait, DEMOX_SIZE) for portrait in portraits]
    strangers = len(framed) // 4  # real clips that nobody forged
    celebrities = len(framed) - strangers
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
            forgeries.append(Forgery(method, framed[other], expression, (seed, 4, index, number), root / fake, None))
        targets.append(Target("DemoX", framed[index], (seed, 3, index), root / real, tuple(forgeries), None))
    listing = [f"1 {path}" for path in reals] + [f"0 {path}" for path in methods]
    write_text(root / "List_of_testing_videos.txt", "\n".join(listing) + "\n")
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("path", "method"), *methods.items()])
    write_text(root / "methods.csv", table.getvalue())
    yield from targets


def _own_expression(portrait: Portrait, seed: tuple[int, ...]) -> Offsets:
    """The expression that an identity has in its own real clip."""
    track = landmark_track(portrait.landmarks, perform(FRAMES, np.random.default_rng(seed)))
    return expression_offsets(track, portrait.landmarks)


def _collect(pool: Executor, pictures: list[Path], folder: Path) -> tuple[list[Portrait], dict[str, Any]]:
    """The first usable portraits, in the pictures' order, and the counts of what was used and skipped, by reason."""
    predictor = find_predictor()
    portraits: list[Portrait] = []
    skipped: dict[str, int] = {}
    for start in range(0, len(pictures), MAX_IDENTITIES):
        round_ = pictures[start : start + MAX_IDENTITIES]
        chunks = [round_[first : first + _CHUNK] for first in range(0, len(round_), _CHUNK)]
        for found in chain.from_iterable(pool.map(read_portraits, chunks, repeat(predictor))):
            if isinstance(found, str):
                skipped[found] = skipped.get(found, 0) + 1
            else:
                portraits.append(found)
        if len(portraits) >= MAX_IDENTITIES:
            break
    if len(portraits) < MIN_IDENTITIES:
        reasons = "".join(f", {count} {reason}" for reason, count in sorted(skipped.items()))
        raise InputError(
            f"--faces {folder}: {len(portraits)} of {len(pictures)} pictures (jpg, png) are usable{reasons}; "
            f"the demo needs at least {MIN_IDENTITIES} people, one picture each"
        )
    portraits = portraits[:MAX_IDENTITIES]
    counts = {
        "pictures": len(pictures),
        "identities": len(portraits),
        "skipped": skipped,
        "landmarks": predictor.git_blob,
    }
    return portraits, counts


def _digest(portraits: list[Portrait]) -> str:
    """SHA-256 over the portraits' pixels and landmarks."""
    digest = hashlib.sha256()
    for portrait in portraits:
        digest.update(portrait.rgb.tobytes())
        digest.update(portrait.landmarks.tobytes())
    return digest.hexdigest()


def _is_made(forgery: Forgery) -> bool:
    return forgery.video.exists() and (forgery.mask is None or forgery.mask.exists())


def _one_thread() -> None:
    """Workers compute on one thread each: results do not depend on the number of cores, and workers do not compete."""
    settle()
    threadpool_limits(1)
