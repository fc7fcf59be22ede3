"""The section of a report that says where its figures come from: weights, data, protocol, training, software."""

from collections.abc import Iterable, Iterator, Mapping

from benchmark.report.collect import Collection, Run
from benchmark.report.page import Block, Facts, Section
from benchmark.train import RunRecord
from evaluation.scores import Environment


def provenance_section(found: Collection) -> Section:
    """How each run's scores and weights came about, and the environments they were made in."""
    blocks: list[Block] = [Facts((*_scoring(run), *_training(run.training)), run.name) for run in found.runs]
    return Section("Provenance", (*blocks, *_environments(found)))


def all_notes(found: Collection) -> tuple[str, ...]:
    """What the records say that a reader must know, above all substitutes; of which runs, if it is not of all."""
    return of_which_runs(
        {run.name: {note for result in run.results.values() for note in result.record.notes} for run in found.runs}
    )


def of_which_runs(notes: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Each note once, and the names of the runs that have it if it is not of all."""
    runs: dict[str, list[str]] = {}
    for run, own in notes.items():
        for note in own:
            runs.setdefault(note, []).append(run)
    return tuple(
        note if len(names) == len(notes) else f"{note} ({', '.join(names)})" for note, names in sorted(runs.items())
    )


def _scoring(run: Run) -> Iterator[tuple[str, str]]:
    records = [result.record for result in run.results.values()]
    yield "detector", _each(record.detector for record in records)
    yield "weights, sha256", _each(record.weights_sha256 for record in records)
    yield "protocol", _each(f"{record.protocol}, version {record.protocol_version}" for record in records)
    yield "precision", _each(record.precision for record in records)
    yield "seed", _each(str(record.seed) for record in records)
    yield "code, commit", _each(record.git_commit or "unknown" for record in records)
    for name in sorted(run.results):
        result = run.results[name]
        yield f"{name}, manifest sha256", result.record.manifest_sha256
        yield f"{name}, scored in", f"{result.record.wall_seconds:.0f} s"
        if result.sources:
            yield f"{name}, thresholds", result.measured.metrics.threshold_note
    for note in sorted({note for record in records for note in record.notes}):
        yield "note", note


def _training(record: RunRecord | None) -> Iterator[tuple[str, str]]:
    if record is None:
        yield "training", "no record: the scores lie in no run folder"
        return
    value = "" if record.best_value is None else f", {record.best_value:.4f}"
    yield "trained from", record.initialisation
    if record.plugin:
        yield "detector defined by the plugin", f"{record.plugin.name}, sha256 {record.plugin.sha256}"
    yield "training protocol", record.protocol
    yield "training rows, sha256", record.train_sha256
    yield "validation rows, sha256", record.val_sha256 or "none"
    yield "epoch selected", f"{record.best_epoch + 1}: {record.selection}{value}"
    yield "training steps", f"{record.steps:,}"
    yield "trained on", f"{record.device}, {record.processes} process{'' if record.processes == 1 else 'es'}"
    yield "trained in", f"{record.wall_seconds:.0f} s"
    yield "training code, commit", record.git_commit or "unknown"
    for kind, model in sorted(record.reconstructions.items()):
        yield f"reconstructions ({kind})", str(model)


def _environments(found: Collection) -> Iterator[Facts]:
    """Each environment once, with the names of what was made in it."""
    made: list[tuple[Environment, list[str]]] = []
    for run in found.runs:
        stages = [(run.name, result.record.environment) for result in run.results.values()]
        stages += [(f"{run.name} (training)", run.training.environment)] if run.training else []
        for name, environment in stages:
            names = next((names for known, names in made if known == environment), None)
            if names is None:
                made.append((environment, [name]))
            elif name not in names:
                names.append(name)
    for environment, names in made:
        heading = "Environment" if len(made) == 1 else f"Environment of {', '.join(names)}"
        yield Facts(tuple(_environment(environment)), heading)


def _environment(environment: Environment) -> Iterator[tuple[str, str]]:
    yield "Python", environment.python
    yield "platform", environment.platform
    cuda = f", CUDA {environment.cuda}" if environment.cuda else ""
    yield "accelerator", (environment.gpu or "none, CPU only") + cuda
    yield "packages", ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items()))


def _each(values: Iterable[str]) -> str:
    """The distinct values of a record's field over the test sets."""
    return "; ".join(dict.fromkeys(values))
