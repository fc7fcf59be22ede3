"""The registry: lazy, no name twice, near misses named, entry points and plugin files."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError, nearest, unknown
from config.registry import Registry, load_plugin

PACKAGE = """
from tests.config.test_registry import CURRENT
@CURRENT[0].register_module(module_name="lazy")
def lazy():
    return 7
"""
CURRENT: list[Registry] = []


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module on the path that registers `lazy` in the registry that the test puts into CURRENT."""
    (tmp_path / "lazy_module.py").write_text(PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "lazy_module"
    sys.modules.pop("lazy_module", None)
    CURRENT.clear()


def plugin(folder: Path, code: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(code, encoding="utf-8")
    return path


def test_an_entry_is_imported_when_first_asked_for(module):
    registry = Registry("thing", {"lazy": module})
    CURRENT[:] = [registry]
    assert registry.names() == ["lazy"]
    assert list(registry) == ["lazy"]
    assert "lazy" in registry
    assert module not in sys.modules
    assert registry["lazy"]() == 7
    assert module in sys.modules
    assert registry.origin("lazy").endswith("lazy_module.py:3")


def test_a_decorated_entry_is_found_under_its_name_and_returned_as_it_was():
    registry = Registry("thing")

    @registry.register_module(module_name="mine")
    class Mine:
        pass

    assert registry["mine"] is Mine
    assert registry.names() == ["mine"]
    assert "other" not in registry


def test_a_name_is_registered_once():
    registry = Registry("thing")
    registry.register_module("mine")(plugin)
    with pytest.raises(InputError, match=r"thing 'mine' of .* is already registered by .*test_registry\.py:\d+"):
        registry.register_module("mine")(test_a_name_is_registered_once)
    assert registry["mine"] is plugin


def test_a_name_of_the_projects_own_may_not_be_taken_before_it_is_imported(module):
    registry = Registry("thing", {"lazy": module})
    CURRENT[:] = [registry]
    with pytest.raises(InputError, match=f"thing 'lazy' of {__name__} is already registered by {module}"):
        registry.register_module("lazy")(plugin)
    assert registry["lazy"]() == 7


def test_unknown_names_are_answered_with_the_nearest():
    registry = Registry("detector", {"xception": "m", "efficientnetb4": "m"})
    with pytest.raises(InputError, match="unknown detector 'Xeption'; did you mean 'xception'\\?"):
        registry["Xeption"]
    with pytest.raises(
        InputError, match="unknown detector '???'; valid are: efficientnetb4, xception".replace("?", r"\?")
    ):
        registry["???"]


def test_a_module_that_does_not_register_its_name_is_named():
    with pytest.raises(InputError, match="module json does not register the thing 'absent' it is mapped to"):
        Registry("thing", {"absent": "json"})["absent"]


def test_entry_points_of_installed_packages_are_found(module, tmp_path, monkeypatch):
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[assay.test_things]\nlazy = {module}\n", encoding="utf-8")
    importlib.invalidate_caches()
    registry = Registry("thing", group="assay.test_things")
    CURRENT[:] = [registry]
    assert registry.names() == ["lazy"]
    assert module not in sys.modules
    assert registry["lazy"]() == 7
    assert Registry("thing", group="assay.no_such_group").names() == []


def test_a_plugin_file_registers_what_it_brings(tmp_path):
    registry = Registry("thing")
    CURRENT[:] = [registry]
    load_plugin(plugin(tmp_path, PACKAGE))
    assert registry["lazy"]() == 7
    with pytest.raises(InputError, match="already registered"):
        load_plugin(plugin(tmp_path, PACKAGE, "again.py"))
    CURRENT.clear()


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("broken.py", "def (:", "broken.py does not import: SyntaxError"),
        ("needs.py", "import no_such_module", "needs.py does not import: ModuleNotFoundError: .*no_such_module"),
        ("fails.py", "1 / 0", "fails.py does not import: ZeroDivisionError"),
        ("mine.txt", "x = 1", "mine.txt is not a Python file"),
    ],
)
def test_a_plugin_that_does_not_import_is_refused_in_one_sentence(tmp_path, name, code, message):
    with pytest.raises(InputError, match=f"--plugin: .*{message}") as error:
        load_plugin(plugin(tmp_path, code, name))
    assert "\n" not in str(error.value)


def test_a_missing_plugin_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--plugin: no such file: .*mine\.py"):
        load_plugin(tmp_path / "mine.py")


@given(st.lists(st.text("abcXYZ_4", min_size=1), min_size=1))
def test_a_name_in_other_letters_is_the_nearest(choices):
    found = nearest(choices[0].swapcase(), choices)
    assert found is not None
    assert found.casefold() == choices[0].casefold()


def test_nothing_near_is_no_name():
    assert nearest("zzzz", ["xception"]) is None
    assert str(unknown("thing", "a", [])) == "unknown thing 'a'; valid are: none"


def test_about_is_the_entrys_first_docstring_line_without_an_import():
    code = "import sys; from detectors import BACKBONE; print(BACKBONE.about('xception'), 'torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.startswith("Xception with a linear head")
    assert answer.strip().endswith("False")
    with pytest.raises(InputError):
        Registry("thing").about("unknown")
