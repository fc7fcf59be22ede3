"""One registry for all that is chosen by name: detectors, backbones, losses, batch recipes, layouts, perturbations."""

import ast
import builtins
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from config.errors import InputError, unknown

T = TypeVar("T")
PLUGIN = "assay_plugin_"  # what the modules' names of plugin files begin with


class Registry(Generic[T]):
    """Names mapped to classes or functions that are imported when first asked for.

    Registration and look-up read as in DeepfakeBench: `@DETECTOR.register_module(module_name="mine")`,
    `DETECTOR["mine"]`. A name is known from one of three places: `modules` (name -> module that registers it), an entry
    point in `group`, or a plugin file that was imported. `names()` needs no import, so listing costs nothing.

    Args:
        kind: what is registered, in words for error messages.
        modules: names of the project's own entries and the module that registers each.
        group: entry point group through which installed packages add entries.
    """

    def __init__(self, kind: str, modules: Mapping[str, str] | None = None, group: str | None = None) -> None:
        self.kind = kind
        self._modules = dict(modules or {})
        self._group = group
        self._entries: dict[str, T] = {}

    def register_module(self, module_name: str) -> Callable[[T], T]:
        """Decorator that files a class or function under `module_name`.

        Raises:
            InputError: the name is taken, or mapped to another module.
        """

        def decorate(entry: T) -> T:
            expected = self._sources().get(module_name)
            home = getattr(entry, "__module__", "?")
            is_mapped_here = expected is None or home == expected or home.startswith(f"{expected}.")
            if module_name in self._entries or not is_mapped_here:
                taken_by = self.origin(module_name) if module_name in self._entries else expected
                raise InputError(f"{self.kind} '{module_name}' of {home} is already registered by {taken_by}")
            self._entries[module_name] = entry
            return entry

        return decorate

    def __getitem__(self, name: str) -> T:
        """The entry called `name`, imported if need be.

        Raises:
            InputError: no such name, or its module cannot be imported or does not register it.
        """
        if name not in self._entries:
            sources = self._sources()
            if name not in sources:
                raise unknown(self.kind, name, self.names())
            try:
                importlib.import_module(sources[name])
            except ImportError as error:
                raise InputError(f"the {self.kind} '{name}' cannot be imported: {error}") from error
            if name not in self._entries:
                raise InputError(f"module {sources[name]} does not register the {self.kind} '{name}' it is mapped to")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._sources()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """All known names, sorted; imports nothing."""
        return sorted({*self._entries, *self._sources()})

    def origin(self, name: str) -> str:
        """`file:line` where the entry called `name` is defined."""
        entry = self[name]
        return f"{inspect.getsourcefile(entry)}:{inspect.getsourcelines(entry)[1]}"  # type: ignore[arg-type]

    def about(self, name: str) -> str:
        """First line of the docstring of an entry, read from its source: nothing is imported for it.

        Empty where an entry has none, or is registered in a way that cannot be told from the source.

        Raises:
            InputError: no such name.
        """
        if name in self._entries:
            return (inspect.getdoc(self._entries[name]) or "").partition("\n")[0]
        if name not in self:
            raise unknown(self.kind, name, self.names())
        try:
            spec = importlib.util.find_spec(self._sources()[name])
            source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        except (ImportError, OSError):
            return ""
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and _registers(node, name):
                return (ast.get_docstring(node) or "").partition("\n")[0]
        return ""

    def _sources(self) -> dict[str, str]:
        installed = entry_points(group=self._group) if self._group else ()
        return {point.name: point.module for point in installed} | self._modules


def _registers(node: ast.ClassDef | ast.FunctionDef, name: str) -> bool:
    """Whether a definition carries `@REGISTRY.register_module(module_name=name)`."""
    keywords = [keyword for call in node.decorator_list if isinstance(call, ast.Call) for keyword in call.keywords]
    values = [keyword.value for keyword in keywords if keyword.arg == "module_name"]
    return any(isinstance(value, ast.Constant) and value.value == name for value in values)


def load_plugin(path: Path, importer: Callable[..., Any] | None = None) -> None:
    """Import a user's Python file, whose decorators then register what it brings.

    Args:
        path: the file.
        importer: stands in for `__import__` in this file, also when its functions run.

    Raises:
        InputError: there is no such file, or it does not import.
    """
    if not path.is_file():
        raise InputError(f"--plugin: no such file: {path}")
    name = PLUGIN + path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"--plugin: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if importer is not None:
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": importer}
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"--plugin: {path} does not import: {type(error).__name__}: {error}") from error


def plugin_of(entry: type) -> Path | None:
    """The plugin file that defines a class; a process that has not imported it needs `load_plugin` first."""
    module = sys.modules[entry.__module__]
    return Path(str(module.__file__)).resolve() if module.__name__.startswith(PLUGIN) else None


def is_plugin_loaded(path: Path) -> bool:
    """Whether this process has imported a plugin file."""
    return PLUGIN + path.stem in sys.modules
