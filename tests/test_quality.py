"""What holds for the whole code base: lint, types, import direction, a command line that starts without torch."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Each room may import from itself and from these.
MAY_IMPORT = {
    "config": set(),
    "detectors": {"config"},
    "preprocessing": {"config"},
    "training": {"config", "detectors", "preprocessing"},
    "evaluation": {"config", "detectors", "preprocessing"},
    "benchmark": {"config", "detectors", "preprocessing", "training", "evaluation"},
}
LONGEST_MODULE = 450


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        yield from (name.partition(".")[0] for name in names if name.partition(".")[0] in MAY_IMPORT)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_lint_and_types_are_clean(command: list[str]):
    result = run(sys.executable, "-m", *command)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str):
    paths = modules(room)
    assert paths
    wrong = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path in paths
        for other in imported_rooms(path)
        if other != room and other not in MAY_IMPORT[room]
    }
    assert not wrong


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "explain --help",
        "report --help",
        "leaderboard --help",
        "leaderboard verify none.json --scores .",
        "list detectors",
        "list datasets",
        "list pseudofakes",
        "list suites",
        "list suites prodet_table7",
        "list perturbations",
        "published prodet",
        "published --averages",
    ],
)
def test_the_command_line_starts_without_torch(command: str):
    code = "import sys; sys.argv[1:] = %r\nfrom benchmark.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print('TORCH' if 'torch' in sys.modules else 'LIGHT')"
    result = run(sys.executable, "-c", code % command.split())
    assert result.stdout.strip().endswith("LIGHT"), result.stdout + result.stderr


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_modules_stay_short(room: str):
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(room)}
    assert not {path: length for path, length in lengths.items() if length > LONGEST_MODULE}


def test_the_rooms_and_published_figures_are_all_that_is_installed():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    installed = {entry.rstrip("*") for entry in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert installed == {*MAY_IMPORT, "results.published"}


def test_requirements_are_the_projects_dependencies():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["dependencies"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}


def test_no_device_literals_pickles_or_machine_paths():
    forbidden = (".cuda()", "pickle.load", "yaml.load(", "allow_pickle=True", "weights_only=False", "/home/", "/root/")
    found = {
        f"{path.relative_to(ROOT)}: {word}"
        for room in MAY_IMPORT
        for path in modules(room)
        for word in forbidden
        if word in path.read_text(encoding="utf-8")
    }
    assert not found
