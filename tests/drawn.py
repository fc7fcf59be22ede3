"""What is wrong with a drawn table: LaTeX that does not compile, HTML that does not nest."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest


def latex_problem(source: str) -> str:
    """What would keep LaTeX from setting a table, of which a page may hold only a part; empty if nothing."""
    bare = source.replace(r"\\", "\n").replace(r"\{", "").replace(r"\}", "")
    if bare.count("{") != bare.count("}"):
        return "braces"
    opened = re.findall(r"\\begin\{(\w+)\}", bare)
    if opened != re.findall(r"\\end\{(\w+)\}", bare)[::-1]:
        return "environments"
    n_columns = 0
    for line in source.splitlines():
        if found := re.fullmatch(r"\\begin\{tabular\}\{@\{\}(lr*)@\{\}\}", line):
            n_columns = len(found[1])
        if line.endswith(r" \\"):
            spans = [int(span) - 1 for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            if len(re.findall(r"(?<!\\)&", line)) + 1 + sum(spans) != n_columns:
                return f"columns of {line}"
        if re.search(r"(?<!\\)[#%_^~\"`|<>]", line):
            return f"special character in {line}"
    return ""


def latex_log(source: str, folder: Path) -> str:
    """What pdflatex says of some tables in a page of the class article with booktabs alone; fails if it cannot.

    The test is skipped, and says so, on a machine without LaTeX.
    """
    compiler = shutil.which("pdflatex")
    if not compiler or subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode:
        pytest.skip("no pdflatex with the package booktabs here: LaTeX is read, but not compiled")
    page = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{source}\\end{{document}}\n"
    (folder / "table.tex").write_text(page, encoding="utf-8")
    command = [compiler, "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


class Cells(HTMLParser):
    """Collects tags, and the text of each table cell with its class."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.cells: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append((dict(attrs).get("class") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)


def parsed(html: str) -> Cells:
    parser = Cells()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser
