"""A run's report: one HTML file that holds everything it shows and needs neither network nor script."""

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from config.files import write_text
from evaluation.render import templates, to_html
from evaluation.scores import Environment
from evaluation.tables import Table

_PNG = b"\x89PNG\r\n\x1a\n"
# Figures are drawn at 150 dots per inch, a page has 96.
_SCREEN_SCALE = 96 / 150


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, embedded.

    Attributes:
        content: bytes of a PNG or SVG file (evaluation.plots.style.png_bytes, svg_bytes).
        caption: what it shows, in a sentence.

    Raises:
        ValueError: the bytes are neither PNG nor SVG.
    """

    content: bytes
    caption: str

    def __post_init__(self) -> None:
        if not (self.is_png or b"<svg" in self.content[:1024]):
            raise ValueError("a picture in a report is PNG or SVG")

    @property
    def is_png(self) -> bool:
        """Whether the content is PNG, else SVG."""
        return self.content.startswith(_PNG)

    @property
    def uri(self) -> str:
        """The content as a `data:` address."""
        kind = "png" if self.is_png else "svg+xml"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode('ascii')}"

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height on the page in CSS pixels; None for SVG, which brings its own."""
        if not self.is_png:
            return None
        width, height = struct.unpack(">II", self.content[16:24])
        return round(width * _SCREEN_SCALE), round(height * _SCREEN_SCALE)


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, such as counts and settings, as a list in two columns."""

    pairs: tuple[tuple[str, str], ...]


Block = str | Table | Picture | Facts
"""What a section holds: a paragraph, a table, a figure, or facts."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, in order."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says.

    Attributes:
        title: heading of the page.
        lead: the one sentence to read if no other is.
        sections: the body.
        notes: what holds for the whole report, above all substitutes that stand in for the real thing.
        environment: software and hardware of the run.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    environment: Environment | None = None


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file; every name and text in it is escaped.

    Raises:
        InputError: the file cannot be written.
    """
    template = templates(Path(__file__).parent).get_template("report.html.j2")
    sections = [(part.heading, [_kind_and_content(block) for block in part.blocks]) for part in report.sections]
    page = template.render(report=report, sections=sections)
    write_text(path, page)


def _kind_and_content(block: Block) -> tuple[str, Block | Markup]:
    """What the template needs to tell blocks apart; a table comes as HTML that is escaped already."""
    if isinstance(block, Table):
        return "table", Markup(to_html(block))  # noqa: S704, to_html escapes
    if isinstance(block, Picture):
        return "picture", block
    return ("facts", block) if isinstance(block, Facts) else ("paragraph", block)
