"""The demo's data sets: stills become clips, clips become forgeries, all become files in known layouts."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmark.demo.notes import fingerprint
from benchmark.demo.portraits import Portrait, find_pictures, read_picture, read_portraits
from benchmark.demo.sets import PLANS
from benchmark.demo.targets import make_target
from config.errors import InputError
from config.files import write_text
from preprocessing.landmarks import Predictor, find_predictor
from preprocessing.workers import cores, settle, worker_context

STILLS = Path(__file__).parent / "stills"
MIN_IDENTITIES, MAX_IDENTITIES = 16, 72
MEDIA_RECIPE = 2  # raise it when the same seed no longer gives the same pictures
MEDIA_STAMP = "demo.json"
_KNOWN = "portraits.json"
_CHUNK = 12  # pictures read by one process at a time


def build_demo(
    out: Path,
    sets: Sequence[str],
    faces: Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes `out/NAME` for each data set, and `out/demo.json`.

    What is already there is kept, unless it comes from another seed or other pictures: then all of it is removed.

    Args:
        out: the folder; made if need be.
        sets: names of data sets, as `PLANS` has them.
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
            portraits, counts = _collect(pool, pictures, folder, out / _KNOWN)
            claim(out, {"recipe": MEDIA_RECIPE, "seed": seed, "faces": _digest(portraits), **counts})
            targets = [target for name in sets for target in PLANS[name](pool, out / name, portraits, seed)]
            futures = [pool.submit(make_target, target) for target in targets]
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if on_progress:
                    on_progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def check_place(out: Path) -> None:
    """Refuses a folder that holds data sets of the demo's names which no demo made.

    Raises:
        InputError: `out` has one but no stamp.
    """
    foreign = [out / part for part in PLANS if (out / part).exists()]
    if foreign and not (out / MEDIA_STAMP).is_file():
        raise InputError(
            f"{foreign[0]} was not made by the demo ({out / MEDIA_STAMP} is missing); choose another folder"
        )


def claim(out: Path, stamp: dict[str, Any]) -> None:
    """Makes `out` the place of one demo: what another seed or other pictures left there is removed.

    Args:
        out: a folder that `check_place` accepts.
        stamp: what decides on the clips' content; written to `out/demo.json`.
    """
    check_place(out)
    path = out / MEDIA_STAMP
    content = json.dumps(stamp, indent=2, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == content:
        return
    for part in PLANS:
        if (out / part).exists():
            shutil.rmtree(out / part)
    write_text(path, content)


def _collect(pool: Executor, pictures: list[Path], folder: Path, known: Path) -> tuple[list[Portrait], dict[str, Any]]:
    """The first usable portraits, in the pictures' order, and the counts of what was used and skipped, by reason.

    The search for faces takes most of the time that a small data set does; what it found is kept in the file `known`.
    """
    predictor = find_predictor()
    about = {"pictures": fingerprint(pictures), "landmarks": predictor.git_blob}
    found = _recalled(known, about, pictures) or _searched(pool, pictures, predictor)
    portraits = [portrait for portrait in found if not isinstance(portrait, str)]
    skipped = Counter(reason for reason in found if isinstance(reason, str))
    if len(portraits) < MIN_IDENTITIES:
        reasons = "".join(f", {count} {reason}" for reason, count in sorted(skipped.items()))
        raise InputError(
            f"--faces {folder}: {len(portraits)} of {len(pictures)} pictures (jpg, png) are usable{reasons}; "
            f"the demo needs at least {MIN_IDENTITIES} people, one picture each"
        )
    kept = [portrait if isinstance(portrait, str) else portrait.landmarks.tolist() for portrait in found]
    write_text(known, json.dumps({**about, "found": kept}))
    portraits = portraits[:MAX_IDENTITIES]
    counts = {
        "pictures": len(pictures),
        "identities": len(portraits),
        "skipped": dict(skipped),
        "landmarks": predictor.git_blob,
    }
    return portraits, counts


def _searched(pool: Executor, pictures: Sequence[Path], predictor: Predictor) -> list[Portrait | str]:
    """The portrait of each picture, or why it has none; of as many pictures as it takes."""
    everything: list[Portrait | str] = []
    for start in range(0, len(pictures), MAX_IDENTITIES):
        round_ = pictures[start : start + MAX_IDENTITIES]
        chunks = [round_[first : first + _CHUNK] for first in range(0, len(round_), _CHUNK)]
        everything += chain.from_iterable(pool.map(read_portraits, chunks, repeat(predictor)))
        if sum(not isinstance(found, str) for found in everything) >= MAX_IDENTITIES:
            break
    return everything


def _recalled(known: Path, about: Mapping[str, Any], pictures: Sequence[Path]) -> list[Portrait | str]:
    """What an earlier search in the same pictures found; nothing if there was none."""
    kept = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}
    found = kept.pop("found", [])
    if kept != about:
        return []
    read = (
        entry if isinstance(entry, str) else read_picture(path) for path, entry in zip(pictures, found, strict=False)
    )
    return [
        picture if isinstance(picture, str) else Portrait(picture, np.array(landmarks, np.float32))
        for picture, landmarks in zip(read, found, strict=True)
        if picture is not None
    ]


def _digest(portraits: list[Portrait]) -> str:
    """SHA-256 over the portraits' pixels and landmarks."""
    digest = hashlib.sha256()
    for portrait in portraits:
        digest.update(portrait.rgb.tobytes())
        digest.update(portrait.landmarks.tobytes())
    return digest.hexdigest()


def _one_thread() -> None:
    """Workers compute on one thread each: results do not depend on the number of cores, and workers do not compete."""
    settle()
    threadpool_limits(1)
