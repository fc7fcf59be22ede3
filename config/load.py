"""The one loader: YAML file or name -> overrides -> validated schema; and the way back to YAML."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from config.base import Schema
from config.errors import InputError, unknown
from config.perturbation import PerturbationSuite
from config.pseudofake import PseudoFakeConfig
from config.schema import DEAD_DETECTOR_KEYS, DatasetConfig, DetectorConfig, Profile
from config.suite import SuiteConfig

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

log = logging.getLogger(__name__)
S = TypeVar("S", bound=Schema)

FOLDERS: dict[type[Schema], str] = {
    DetectorConfig: "detectors",
    DatasetConfig: "datasets",
    Profile: "preprocessing",
    PseudoFakeConfig: "pseudofakes",
    PerturbationSuite: "perturbations",
    SuiteConfig: "suites",
}
KINDS: dict[type[Schema], str] = {
    DetectorConfig: "detector",
    DatasetConfig: "data set",
    Profile: "preprocessing profile",
    PseudoFakeConfig: "pseudo-fake",
    PerturbationSuite: "perturbation suite",
    SuiteConfig: "suite",
}

YAML = {".yaml", ".yml"}
BASE, VARIANTS = "base", "variants"  # keys of files, which no schema has
TITLE = "title"
KIND = "kind"  # the key that tells which of several schemas a mapping is of
MOST_VALUES = 100_000  # of a YAML file, its aliases written out


class _Loader(yaml.SafeLoader):
    """YAML of which `on` and `off` are words, as in YAML 1.2, not truth values: `on` is a key of suites."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        letter: resolvers for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items() if letter not in "oO"
    }


def config_names(schema: type[Schema]) -> list[str]:
    """Names of the YAML files that ship for a schema."""
    return sorted(path.stem for path in _folder(schema).glob("*.yaml"))


def variant_names(schema: type[Schema], name: str) -> list[str]:
    """Names of the variants that a shipped file holds, as `load_config` takes them: "NAME/VARIANT"."""
    return [f"{name}/{variant}" for variant in variants_of(schema, name)]


def variants_of(schema: type[Schema], name: str) -> dict[str, Mapping[str, Any]]:
    """What each variant that a shipped file holds sets, by its name behind the slash."""
    path = _folder(schema) / f"{name}.yaml"
    return _variants(read_yaml(path), str(path))


def load_config(schema: type[S], name_or_path: str | Path, overrides: Iterable[str] = ()) -> S:
    """Read, override and validate a configuration.

    A file may begin from another one, which its key `base` names, and hold `variants` of itself by name; both say only
    what is different. A detector's `pseudofake` may be a name as well.

    Args:
        schema: what the file describes.
        name_or_path: a name that ships with Assay ("xception", "adfd_table7/alpha"), or the path of a YAML file
            ("mine.yaml", "mine.yaml/VARIANT").
        overrides: assignments "a.b=value"; the value is read as YAML.

    Raises:
        InputError: no such file, not YAML, an unknown key, or a value of the wrong type.
    """
    raw, where = _read(schema, name_or_path)
    return _resolve(schema, raw, overrides, where)


def parse_config(schema: type[S], text: str, overrides: Iterable[str] = (), where: str = "the configuration") -> S:
    """A configuration from YAML text, such as the one that weights carry; overrides and errors as `load_config`."""
    return _resolve(schema, parse_yaml(text, where), overrides, where)


def validate(schema: type[S], raw: Mapping[str, Any], where: str) -> S:
    """Check a mapping against a schema.

    Args:
        schema: the schema.
        raw: keys and values as read.
        where: the file they come from, for the error message.

    Raises:
        InputError: an unknown key (with the nearest valid one) or a bad value.
    """
    _refuse_unknown_keys(schema, raw, where)
    try:
        return schema.model_validate(dict(raw))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {key + ': ' if key else ''}{_complaint(first)}") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        InputError: unreadable, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """The mapping that YAML text holds; `where` names it in the error, which is as `read_yaml`'s."""
    try:
        raw = _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InputError(f"{where}{line}: not valid YAML ({problem})") from None
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise InputError(f"{where}: expected keys with values, found {type(raw).__name__}")
    if _is_larger_than(MOST_VALUES, raw):
        raise InputError(f"{where}: its aliases (*name) stand for more than {MOST_VALUES} values, or for themselves")
    return raw


def _is_larger_than(limit: int, tree: Any) -> bool:
    """Whether a tree has more nodes than that when every alias is written out; a few lines can stand for billions."""
    count, waiting = 0, [tree]
    while waiting:
        node = waiting.pop()
        count += 1
        if count > limit:
            return True
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple, set)) else ()
    return False


def to_yaml(config: BaseModel) -> str:
    """A configuration as YAML that `load_config` reads back to an equal object."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read(
    schema: type[Schema], name_or_path: str | Path, built_on: tuple[Path, ...] = ()
) -> tuple[dict[str, Any], str]:
    """A file's keys on top of those of its base, then those of the variant that the name asks for; and its path."""
    path, variant = _find(schema, name_or_path)
    raw = read_yaml(path)
    if path in built_on:
        raise InputError(f"{path}: base: the file is built on itself")
    changes = _variants(raw, str(path)).get(variant, {})
    raw.pop(VARIANTS, None)
    base = raw.pop(BASE, None)
    if base is not None:
        raw = merged(_read(schema, _beside(path, base), (*built_on, path))[0], raw)
    return merged(raw, changes), str(path)


def _variants(raw: Mapping[str, Any], where: str) -> dict[str, Mapping[str, Any]]:
    """The variants that a file holds, by name."""
    variants = raw.get(VARIANTS, {})
    if not isinstance(variants, dict) or not all(isinstance(changes, dict) for changes in variants.values()):
        raise InputError(f"{where}: variants: expected names, and keys with values for each")
    return {str(variant): changes for variant, changes in variants.items()}  # a bare 3 is a number in YAML


def _beside(path: Path, base: Any) -> str | Path:
    """What a file's `base` means: a name, or a YAML file relative to it."""
    if not isinstance(base, str):
        raise InputError(f"{path}: base: expected a name or a YAML file, not {base!r}")
    return path.parent / base if _file_and_variant(base)[0].suffix in YAML else base


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `base` in which `changes` take precedence, key by key at every depth."""
    result = dict(base)
    for key, value in changes.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merged(below, value)
        result[key] = value
    return result


def _resolve(schema: type[S], raw: dict[str, Any], overrides: Iterable[str], where: str) -> S:
    if schema is DetectorConfig:
        _drop_dead_keys(raw, where)
    _expand(raw)
    config = validate(schema, raw, where)
    for assignment in overrides:
        _assign(raw, assignment)
        _expand(raw)
        config = validate(schema, raw, f"--set {assignment}")
    return config


def _expand(raw: dict[str, Any]) -> None:
    """Put what it stands for in the place of a detector's `pseudofake: NAME`, or of a `base` in it; titles go."""
    value = raw.get("pseudofake")
    if isinstance(value, str):
        value = {BASE: value}
    if isinstance(value, dict) and BASE in value:
        base = _beside(Path("."), value[BASE])
        own = {key: part for key, part in value.items() if key != BASE}
        raw["pseudofake"] = value = merged(_read(PseudoFakeConfig, base)[0], own)
    if isinstance(value, dict):
        value.pop(TITLE, None)  # of a file, not of what is trained on: fakes that are alike are equal


def _folder(schema: type[Schema]) -> Path:
    return Path(__file__).parent / FOLDERS[schema]


def _find(schema: type[Schema], name_or_path: str | Path) -> tuple[Path, str]:
    """The file that a name or a path means, and which of its variants, "" for none."""
    known = config_names(schema)
    asked = str(name_or_path)
    name, _, variant = asked.partition("/")
    if name in known and (asked == name or asked in variant_names(schema, name)):
        return _folder(schema) / f"{name}.yaml", variant
    given, chosen = _file_and_variant(name_or_path)
    if given.suffix in YAML:
        if not given.is_file():
            raise InputError(f"no such {KINDS[schema]} file: {given}")
        if chosen and chosen not in (its := _variants(read_yaml(given), str(given))):
            raise unknown(f"variant of {given}", chosen, its)
        return given, chosen
    variants = variant_names(schema, name) if name in known and variant else []
    raise unknown(KINDS[schema], asked, variants or known)


def _file_and_variant(name_or_path: str | Path) -> tuple[Path, str]:
    """A path of the form FILE.yaml/VARIANT taken apart; any other as it is, and ""."""
    given = Path(name_or_path)
    is_variant = given.suffix not in YAML and given.parent.suffix in YAML
    return (given.parent, given.name) if is_variant else (given, "")


def _assign(raw: dict[str, Any], assignment: str) -> None:
    key, equals, value = assignment.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {assignment}: expected key=value, for example optimizer.adam.lr=1e-3")
    *parents, last = key.strip().split(".")
    node: Any = raw
    for part in parents:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise InputError(f"--set {assignment}: '{part}' holds a value, not keys")
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(f"--set {assignment}: the value is not valid YAML") from None


def _drop_dead_keys(raw: dict[str, Any], where: str) -> None:
    found = []
    for dotted, advice in DEAD_DETECTOR_KEYS.items():
        *parents, last = dotted.split(".")
        node: Any = raw
        for part in parents:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict) and last in node:
            del node[last]
            found.append(f"{dotted} ({advice})")
    if found:
        log.warning("%s: these DeepfakeBench keys do nothing here: %s", where, ", ".join(found))


def _refuse_unknown_keys(schema: type[BaseModel], raw: Mapping[str, Any], where: str, prefix: str = "") -> None:
    for key, value in raw.items():
        field = schema.model_fields.get(key)
        if field is None:
            valid = [prefix + name for name in schema.model_fields]
            raise unknown(f"key in {where}:", prefix + str(key), valid)
        for model, part in _nested(field.annotation, value):
            _refuse_unknown_keys(model, part, where, f"{prefix}{key}.")


def _nested(annotation: Any, value: Any) -> list[tuple[type[BaseModel], Mapping[str, Any]]]:
    """The (schema, mapping) pairs that a value of this annotation is made of; of several kinds, the one it names."""
    parts = value if isinstance(value, list) else [value]
    schemas, mappings = list(_schemas(annotation)), [part for part in parts if isinstance(part, Mapping)]
    return [(model, part) for model in schemas for part in mappings if len(schemas) == 1 or _is_of(model, part)]


def _schemas(annotation: Any) -> Iterator[type[BaseModel]]:
    """The schemas that an annotation names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _schemas(part)


def _is_of(model: type[BaseModel], part: Mapping[str, Any]) -> bool:
    """Whether a mapping is of one of several schemas, which differ in the value of their key `kind`."""
    return part.get(KIND) == model.model_fields[KIND].default


def _complaint(error: "ErrorDetails") -> str:
    """Pydantic's complaint about one value as the end of a sentence."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "union_tag_invalid":
        kinds = re.findall(r"'(\w+)'", error["ctx"]["expected_tags"])
        return str(unknown(KIND, error["ctx"]["tag"], kinds))
    if error["type"] == "union_tag_not_found":
        return f"expected a key '{KIND}'"
    if error["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        return f"expected keys with values, not {error['input']!r}"
    if error["type"] == "tuple_type":
        return f"expected a list, not {error['input']!r}"
    message = error["msg"][:1].lower() + error["msg"][1:]
    return message if error["type"] == "missing" else f"{message}, not {error['input']!r}"
