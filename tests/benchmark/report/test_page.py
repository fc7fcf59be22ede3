import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.report import page as pages
from benchmark.report.page import Facts, Picture, Report, Row, Section, write_report
from config.errors import InputError
from evaluation.plots.curves import score_histogram
from evaluation.plots.style import png_bytes, svg_bytes
from evaluation.tables import Column, Table

FIGURE = score_histogram(np.array([0.1, 0.2]), np.array([0.8]))
PNG, SVG = png_bytes(FIGURE), svg_bytes(FIGURE)
HOSTILE = "</style></title><script>alert('x')</script><img src=x onerror=\"alert(1)\"> {{ 7*7 }} {% raw %}"
VOID = {"meta", "img"}
SCRIPT = (Path(pages.__file__).parent / "templates" / "sort.js").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags with their attributes, and the text of each."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def everything(text: str) -> Report:
    columns = (Column(text, group=text), Column("EER", False))
    table = Table(text, text, (text, "plain"), columns, ((0.9, 0.1), (0.8, None)), (text,))
    pictures = Picture(PNG, text), Picture(SVG, text, text)
    blocks = (text, table, pictures[0], Row(pictures), Facts(((text, text),), text))
    return Report(text, text, tuple(Section(text, blocks) for _ in range(3)), (text,))


def page_of(path: Path, report: Report) -> Page:
    write_report(path, report)
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.open
    return page


def test_a_report_says_all_it_was_given(tmp_path: Path) -> None:
    table = Table("All metrics", "Detector", ("xception", "meso4"), (Column("AUC"),), ((0.9,), (0.8,)), ("Note.",))
    report = Report(
        title="Demo",
        lead="It works.",
        sections=(
            Section("Results", ("Read from left to right.", table, Picture(PNG, "Scores."))),
            Section("Run", (Facts((("Seed", "7"), ("Wall time", "214 s")), "meso4"),)),
        ),
        notes=("GAN stills stand in for people.",),
    )
    texts = page_of(tmp_path / "new" / "report.html", report).texts
    for expected in [
        ("title", "Demo"),
        ("h1", "Demo"),
        ("p", "It works."),
        ("li", "GAN stills stand in for people."),
        ("h2", "Results"),
        ("p", "Read from left to right."),
        ("figcaption", "All metrics"),
        ("strong", "0.9000"),
        ("u", "0.8000"),
        ("li", "Note."),
        ("figcaption", "Scores."),
        ("h3", "meso4"),
        ("dt", "Seed"),
        ("dd", "7"),
    ]:
        assert expected in texts


def test_pictures_are_embedded_byte_for_byte(tmp_path: Path) -> None:
    report = Report("t", "l", (Section("s", (Picture(PNG, "a", "what a shows"), Picture(SVG, "b"))),))
    png, svg = page_of(tmp_path / "report.html", report).all("img")
    for picture, kind, content in ((png, "png", PNG), (svg, "svg+xml", SVG)):
        head, _, data = str(picture["src"]).partition(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data) == content
    # 840 x 480 dots at 150 per inch, on a page of 96 per inch.
    assert (png["width"], png["height"], png["alt"]) == ("538", "307", "what a shows")
    assert svg["alt"] == "b"


def test_a_report_needs_nothing_from_outside(tmp_path: Path) -> None:
    page = page_of(tmp_path / "report.html", everything("plain"))
    for tag in ("link", "iframe", "object"):
        assert page.all(tag) == []
    addresses = [str(tag[1][name]) for tag in page.tags for name in ("src", "href") if name in tag[1]]
    assert {address.partition(":")[0].rstrip("-23") for address in addresses} == {"data", "#plain"}
    (style,) = [text for tag, text in page.texts if tag == "style"]
    assert not re.search(r"url\(|@import", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_the_page_allows_its_own_script_and_no_network(tmp_path: Path) -> None:
    page = page_of(tmp_path / "report.html", everything("plain"))
    assert page.all("script") == [{}]
    assert [text for tag, text in page.texts if tag == "script"] == [SCRIPT]
    (policy,) = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(rule.split(" ", 1) for rule in str(policy).split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert allowed["script-src"] == f"'sha256-{digest}'"


@pytest.fixture(scope="module")
def plain_tags(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[str]]]:
    """The tags of a page without anything hostile, and what each is given."""
    page = page_of(tmp_path_factory.mktemp("plain") / "plain.html", everything("plain"))
    return [(tag, sorted(attributes)) for tag, attributes in page.tags]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([HOSTILE, "--><b>", "' onload='x", "&lt;", "\ud800"]) | st.text(min_size=1))
def test_no_name_becomes_markup(
    tmp_path_factory: pytest.TempPathFactory, plain_tags: list[tuple[str, list[str]]], name: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    page = page_of(folder / "hostile.html", everything(name))
    assert [(tag, sorted(attributes)) for tag, attributes in page.tags] == plain_tags
    if name == HOSTILE:
        assert ("h1", HOSTILE) in page.texts
        assert (folder / "hostile.html").read_text(encoding="utf-8").count("<script") == 1


def test_contents_lead_to_the_sections(tmp_path: Path) -> None:
    page = page_of(tmp_path / "report.html", everything("plain"))
    assert [link["href"] for link in page.all("a")] == ["#plain", "#plain-2", "#plain-3"]
    assert [section["id"] for section in page.all("section")] == ["plain", "plain-2", "plain-3"]
    short = Report("t", "l", (Section("only", ("x",)),))
    assert page_of(tmp_path / "short.html", short).all("nav") == []


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="PNG or SVG"):
        Picture(b"GIF89a", "a")


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_report(tmp_path, Report("t", "l", ()))
