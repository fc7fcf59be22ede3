import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.report import Facts, Picture, Report, Section, write_report
from config.errors import InputError
from evaluation.plots.curves import score_histogram
from evaluation.plots.style import png_bytes, svg_bytes
from evaluation.scores import Environment
from evaluation.tables import Column, Table

FIGURE = score_histogram(np.array([0.1, 0.2]), np.array([0.8]))
PNG, SVG = png_bytes(FIGURE), svg_bytes(FIGURE)
HOSTILE = "</style></title><script>alert('x')</script><img src=x onerror=\"alert(1)\"> {{ 7*7 }} {% raw %}"
VOID = {"meta", "img"}


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
    blocks = (text, table, Picture(PNG, text), Picture(SVG, text), Facts(((text, text),)))
    sections = tuple(Section(text, blocks) for _ in range(3))
    return Report(text, text, sections, (text,), Environment(text, text, {text: text}, text, text))


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
            Section("Run", (Facts((("Seed", "7"), ("Wall time", "214 s"))),)),
        ),
        notes=("GAN stills stand in for people.",),
        environment=Environment("3.11.7", "Linux x86_64", {"numpy": "2.4.6", "lmdb": "1.4"}),
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
        ("dt", "Seed"),
        ("dd", "7"),
        ("dd", "3.11.7"),
        ("dd", "none, CPU only"),
        ("dd", "lmdb\xa01.4, numpy\xa02.4.6"),
    ]:
        assert expected in texts


def test_pictures_are_embedded_byte_for_byte(tmp_path: Path) -> None:
    report = Report("t", "l", (Section("s", (Picture(PNG, "a"), Picture(SVG, "b"))),))
    png, svg = page_of(tmp_path / "report.html", report).all("img")
    for picture, kind, content in ((png, "png", PNG), (svg, "svg+xml", SVG)):
        head, _, data = str(picture["src"]).partition(",")
        assert head == f"data:image/{kind};base64"
        assert base64.b64decode(data) == content
    # 840 x 480 dots at 150 per inch, on a page of 96 per inch.
    assert (png["width"], png["height"], png["alt"]) == ("538", "307", "a")


def test_a_report_needs_nothing_from_outside(tmp_path: Path) -> None:
    page = page_of(tmp_path / "report.html", everything("plain"))
    for tag in ("script", "link", "iframe", "object"):
        assert page.all(tag) == []
    addresses = [str(tag[1][name]) for tag in page.tags for name in ("src", "href") if name in tag[1]]
    assert {address.partition(":")[0].partition("-")[0] for address in addresses} == {"data", "#section"}
    (style,) = [text for tag, text in page.texts if tag == "style"]
    assert not re.search(r"url\(|@import", style)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([HOSTILE, "--><b>", "' onload='x", "&lt;", "\ud800"]) | st.text(min_size=1))
def test_no_name_becomes_markup(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    plain = page_of(folder / "plain.html", everything("plain"))
    page = page_of(folder / "hostile.html", everything(name))
    assert [(tag, sorted(attributes)) for tag, attributes in page.tags] == [
        (tag, sorted(attributes)) for tag, attributes in plain.tags
    ]
    if name == HOSTILE:
        assert ("h1", HOSTILE) in page.texts
        assert "<script" not in (folder / "hostile.html").read_text(encoding="utf-8")


def test_contents_lead_to_the_sections(tmp_path: Path) -> None:
    page = page_of(tmp_path / "report.html", everything("plain"))
    assert [link["href"] for link in page.all("a")] == [f"#{section['id']}" for section in page.all("section")]
    short = Report("t", "l", (Section("only", ("x",)),))
    assert page_of(tmp_path / "short.html", short).all("nav") == []


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="PNG or SVG"):
        Picture(b"GIF89a", "a")


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_report(tmp_path, Report("t", "l", ()))
