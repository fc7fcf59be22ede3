"""`assay explain embed`: features of faces in a plane, by t-SNE, and how far reals and fakes lie apart before that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import silhouette_score

from benchmark.explain.errors import WrongReals, wrong_reals
from benchmark.explain.faces import drawn_evenly, kinds_of
from benchmark.explain.plane import by_tsne, how_laid_out
from benchmark.places import FEATURES, clean_scores_path, files_below, one_of_each_set, table_beside
from benchmark.run_names import run_name
from config.errors import InputError
from evaluation.features import Features, read_clean_features
from evaluation.plots.planes import REAL, Embedding, embedding_panels
from evaluation.scores import ScoreRecord
from evaluation.tables import Column, Table

MAKE_FEATURES = "assay evaluate ... --features"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Features of a detector on a test set, laid out in a plane.

    Attributes:
        embedding: the points.
        of: how many faces the file holds, of which those shown were drawn.
        dimension: numbers of a feature.
        perplexity: of t-SNE.
        silhouette: of reals and fakes, between -1 and 1, by the distances of the features themselves; None if one of
            the classes is missing.
        wrong: which of all its faces are reals that are called fake; None if no threshold was chosen.
    """

    embedding: Embedding
    of: int
    dimension: int
    perplexity: float | None
    silhouette: float | None
    wrong: WrongReals | None = None


def embed_figure(
    features: Path, *more: Path, seed: int = 0, most: int = 1000, threshold_on: Sequence[str] = ()
) -> Figure:
    """A panel for each feature file; arguments and errors as for `embed`."""
    return draw_embedded(embed([features, *more], seed=seed, most=most, threshold_on=threshold_on), seed)


def embed(
    paths: Sequence[Path], *, seed: int = 0, most: int = 1000, threshold_on: Sequence[str] = ()
) -> list[Embedded]:
    """Lay out the features of the clean crops by t-SNE (van der Maaten and Hinton, JMLR 2008) from their PCA.

    Args:
        paths: feature files, or folders that hold some of test splits at any depth. Of a test set whose features were
            made under suites alone, the clean crops of the first are taken.
        seed: of the choice of faces and of t-SNE.
        most: faces of each file, drawn evenly from the reals and from each manipulation.
        threshold_on: data sets, usually those trained on, on whose val scores of the same run the threshold is chosen
            above which reals are marked; by default none are.

    Raises:
        InputError: there is no feature file, one cannot be read, or it holds too few faces; or as for `wrong_reals`.
    """
    embedded = []
    files = files_below(paths, FEATURES, MAKE_FEATURES)
    chosen = {*paths, *one_of_each_set([path for path in files if path not in paths])}
    for path in (path for path in files if path in chosen):
        features = read_clean_features(path)
        if path in paths or (features.rows["split"] == "test").all():
            embedded.append(_embed(features, path, seed, most, threshold_on))
    if not embedded:
        raise InputError(
            f"no features of test splits below {', '.join(map(str, paths))}; name another {FEATURES} itself"
        )
    return embedded


def draw_embedded(embedded: Sequence[Embedded], seed: int) -> Figure:
    """The panels, with a caption that says how they came about."""
    caption = how_laid_out([one.perplexity for one in embedded], "the features of clean crops", seed)
    if source := _source(embedded):
        caption += f" Large rings: reals called fake at the threshold where a detector errs equally on {source}."
    return embedding_panels([_with_count(one) for one in embedded], caption)


def embedding_table(embedded: Sequence[Embedded]) -> Table:
    """How far reals and fakes lie apart in the space of the features; and how many reals are called fake."""
    counts = ("faces shown", "of", "dimensions")
    source = _source(embedded)
    marks = {"shown": ".0f", "called fake": ".0f", "in all": ".0f", "share called fake": ".4f", "threshold": ".6f"}
    group = f"reals at the threshold of {source}"
    return Table(
        caption="Silhouette of reals and fakes in the space of the features: 1 apart, 0 mixed",
        row_header="Detector and test set",
        rows=tuple(one.embedding.title for one in embedded),
        columns=(
            Column("silhouette", None),
            *(Column(name, None, format=".0f") for name in counts),
            *(Column(name, None, group, form) for name, form in marks.items() if source),
        ),
        values=tuple(_values(one) for one in embedded),
    )


def _values(one: Embedded) -> tuple[float | None, ...]:
    values = (one.silhouette, *map(float, (len(one.embedding.points), one.of, one.dimension)))
    if one.wrong is None:
        return values
    rates = one.wrong.rates
    return (*values, *map(float, _reals(one)), float(rates.n_real), rates.real, one.wrong.threshold)


def _with_count(one: Embedded) -> Embedding:
    """A panel, in whose title the marked faces are counted."""
    if one.wrong is None:
        return one.embedding
    shown, wrong = _reals(one)
    return replace(one.embedding, title=f"{one.embedding.title}\n{wrong} of {shown} reals called fake")


def _reals(one: Embedded) -> tuple[int, int]:
    """How many reals are shown, and how many of them are marked."""
    return int((one.embedding.methods == REAL).sum()), len(one.embedding.marked)


def _source(embedded: Sequence[Embedded]) -> str:
    """On what the thresholds were chosen; empty if none were."""
    return next((one.wrong.source for one in embedded if one.wrong), "")


def _embed(features: Features, path: Path, seed: int, most: int, threshold_on: Sequence[str]) -> Embedded:
    kinds = kinds_of(features.rows)
    chosen = drawn_evenly(kinds, most, np.random.default_rng(seed))
    wrong = wrong_reals(features.rows, table_beside(path), threshold_on) if threshold_on else None
    values, kinds = features.values[chosen], kinds[chosen]
    plane = by_tsne(values, seed, str(path))
    is_real = kinds == REAL
    apart = float(silhouette_score(values, is_real)) if 0 < is_real.sum() < len(values) else None
    marked = np.flatnonzero(wrong.which[chosen]).tolist() if wrong else ()
    embedding = Embedding(title_of(path), plane.points, kinds, marked=marked)
    return Embedded(embedding, len(features.values), values.shape[1], plane.perplexity, apart, wrong)


def title_of(path: Path) -> str:
    """The detector and test set, if the record beside a feature file says so; else the path."""
    record = ScoreRecord.beside(table_beside(path))
    if not record.is_file():
        return str(path)
    scores = clean_scores_path(table_beside(path))
    return f"{run_name(scores, ScoreRecord.read(record))} on {scores.parent.name}"
