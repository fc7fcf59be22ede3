"""What a file is beside its picture: a property that alone tells real from fake is one that a detector can learn."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from preprocessing.clips import Clip
from preprocessing.integrity.files import Probe
from preprocessing.integrity.report import Finding, Separation

Codes = npt.NDArray[np.int64]

TEXTS = ("suffix", "codec", "resolution")
NUMBERS = ("megapixels", "bits per pixel", "frame rate", "JPEG quality")
ALL_FAKES = "all fakes"
SUSPICIOUS = 0.65  # balanced accuracy
STANDARD_ERRORS = 3  # above chance
FEWEST = 4  # media of a class, so that both halves have some
MOST_BINS = 32  # of a number's values
SEED = 0  # of the halves


def properties_of(clips: Sequence[Clip], probes: Sequence[Sequence[Probe]]) -> dict[str, pd.Series]:
    """Properties of each clip, from its first file that can be read.

    Args:
        clips: N clips.
        probes: those of the files of each.

    Returns:
        N values by name, `TEXTS` and `NUMBERS`, missing where a clip has none: of unopened files all but the suffix.
    """
    frame = pd.DataFrame(map(_properties, clips, probes), columns=[*TEXTS, *NUMBERS])
    return {name: frame[name] for name in TEXTS} | {name: pd.to_numeric(frame[name]) for name in NUMBERS}


def separate(clips: Sequence[Clip], properties: Mapping[str, pd.Series]) -> tuple[Separation, ...]:
    """How well each property tells the real media from all fakes, and from each method's where there are several.

    Args:
        clips: N clips.
        properties: by name, N texts or numbers each. Clips that lack one are left out, and a property that fewer than
            `FEWEST` media of a class have says nothing.
    """
    label = np.array([clip.label for clip in clips], np.int64)
    method = np.array([clip.method for clip in clips], object)
    methods = sorted(set(method[label == 1]))
    groups = {ALL_FAKES: label == 1} | {name: (label == 1) & (method == name) for name in methods if len(methods) > 1}
    separations = (
        _separation(name, fakes, values[label == 0].dropna(), values[chosen].dropna())
        for name, values in properties.items()
        for fakes, chosen in groups.items()
    )
    return tuple(separation for separation in separations if separation)


def find_separations(separations: Sequence[Separation]) -> Iterator[Finding]:
    """The properties that a detector could cheat by."""
    told = tuple(
        f"{found.property}: real {said(found.real)}, {found.fakes} {said(found.fake)}; "
        f"balanced accuracy {found.accuracy:.2f}"
        for found in separations
        if found.suspicious
    )
    if told:
        yield Finding("separability", "warning", "properties of the files alone tell real from fake", told)


def said(value: float | str) -> str:
    """A mean or a frequent value as printed."""
    return value if isinstance(value, str) else f"{value:.4g}"


def lookup_accuracy(real: Codes, fake: Codes) -> float:
    """Balanced accuracy of calling each value what it mostly is, in [0, 1].

    The rule is learnt on one half of the media and judged on the other, both ways, so that values which occur once earn
    nothing: a value that the first half lacks, or has as often in both classes, counts one half.

    Args:
        real: (N,) the value of each real one, numbered from 0; N > 1.
        fake: (M,) those of the fake ones; M > 1.
    """
    values = 1 + int(max(real.max(), fake.max()))
    halves = list(zip(_halves(real, values), _halves(fake, values), strict=True))
    accuracies = []
    for (real_seen, fake_seen), (real_judged, fake_judged) in (halves, halves[::-1]):
        called_fake = (1 + np.sign(fake_seen - real_seen)) / 2
        accuracies.append((real_judged @ (1 - called_fake) + fake_judged @ called_fake) / 2)
    return float(np.mean(accuracies))


def _properties(clip: Clip, probes: Sequence[Probe]) -> tuple[str | float | None, ...]:
    suffix = clip.files[0].suffix.lower().removeprefix(".")
    probe = next((probe for probe in probes if probe.header), None)
    if probe is None or probe.header is None:
        return (suffix, *[None] * (len(TEXTS) + len(NUMBERS) - 1))
    header = probe.header
    pixels = header.width * header.height
    bits = 8 * probe.size / (pixels * header.frames)
    resolution = f"{header.width}x{header.height}"
    return suffix, header.codec, resolution, pixels / 1e6, bits, header.frame_rate, header.jpeg_quality


def _separation(name: str, fakes: str, real: pd.Series, fake: pd.Series) -> Separation | None:
    n_real, n_fake = len(real), len(fake)
    if min(n_real, n_fake) < FEWEST:
        return None
    values, is_number = pd.concat([real, fake], ignore_index=True), name in NUMBERS
    codes = _bins(values, math.isqrt(min(n_real, n_fake))) if is_number else pd.factorize(values)[0]
    accuracy = lookup_accuracy(codes[:n_real], codes[n_real:])
    standard_error = math.sqrt(1 / n_real + 1 / n_fake) / 4  # of the balanced accuracy of guessing
    return Separation(
        property=name,
        fakes=fakes,
        n_real=n_real,
        n_fake=n_fake,
        real=_middle(real, is_number),
        fake=_middle(fake, is_number),
        accuracy=accuracy,
        auc=_auc(values, n_real) if is_number else None,
        suspicious=accuracy >= max(SUSPICIOUS, 0.5 + STANDARD_ERRORS * standard_error),
    )


def _bins(values: pd.Series, most: int) -> Codes:
    """Numbers by their value if they are few, else by quantiles."""
    codes, distinct = pd.factorize(values)
    count = min(max(most, 2), MOST_BINS)
    if len(distinct) <= count:
        return codes
    edges = np.unique(np.quantile(values, np.arange(1, count) / count))
    return np.searchsorted(edges, values.to_numpy(), side="right")


def _halves(codes: Codes, values: int) -> list[npt.NDArray[np.float64]]:
    """How often each value is in either half, as shares; who is in which half does not depend on the value."""
    shuffled = np.random.default_rng(SEED).permutation(codes)
    return [np.bincount(half, minlength=values) / half.size for half in (shuffled[::2], shuffled[1::2])]


def _middle(values: pd.Series, is_number: bool) -> float | str:
    if is_number:
        return float(values.mean())
    counts = values.value_counts()
    return f"{counts.index[0]} ({counts.iloc[0] / len(values):.0%})"


def _auc(values: pd.Series, n_real: int) -> float:
    """The first are real. From midranks: ties count one half."""
    ranks, n_fake = values.rank(), len(values) - n_real
    return float((ranks[n_real:].sum() - n_fake * (n_fake + 1) / 2) / (n_real * n_fake))
