"""The page of a report: one HTML file that holds all it shows, needs no network, and is complete without its script."""

import base64
import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from config.files import write_text
from evaluation.render import templates, to_html
from evaluation.tables import Table

_PNG = b"\x89PNG\r\n\x1a\n"
# PNG figures are drawn at 150 dots per inch, SVG at 72 points; a page has 96 pixels.
_PNG_SCALE, _SVG_SCALE = 96 / 150, 96 / 72
_SVG_SIZE = re.compile(rb'<svg[^>]*? width="([0-9.]+)pt" height="([0-9.]+)pt"')
_MOST_COLUMNS, _MOST_WITH_SPREAD = 14, 7  # of a table that fits a printed page
_WIDE = 500  # pixels: on a phone such a figure is not made smaller than its letters can be read


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, embedded.

    Attributes:
        content: bytes of a PNG or SVG file (evaluation.plots.style.png_bytes, svg_bytes).
        caption: what it shows, in a sentence.
        told: the same for those who cannot see it, with its figures; the caption if empty.

    Raises:
        ValueError: the bytes are neither PNG nor SVG.
    """

    content: bytes
    caption: str
    told: str = ""

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
        """Width and height on the page in CSS pixels; None for an SVG that does not say them in points."""
        if self.is_png:
            width, height = struct.unpack(">II", self.content[16:24])
            return round(width * _PNG_SCALE), round(height * _PNG_SCALE)
        found = _SVG_SIZE.search(self.content)
        return (round(float(found[1]) * _SVG_SCALE), round(float(found[2]) * _SVG_SCALE)) if found else None

    @property
    def is_wide(self) -> bool:
        """Whether it would be too small to read on a phone's screen, and is moved sideways there."""
        return self.size is not None and self.size[0] > _WIDE


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures that stand beside each other where there is room."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, such as counts and settings, as a list in two columns, with a heading or without."""

    pairs: tuple[tuple[str, str], ...]
    heading: str = ""


Block = str | Table | Picture | Row | Facts
"""What a section holds: a paragraph, a table, one figure or several beside each other, or facts."""


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
        lead: the sentences to read if no others are.
        sections: the body.
        notes: what holds for the whole report, above all substitutes that stand in for the real thing.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()


def write_report(path: Path, report: Report) -> None:
    """Write the report as one HTML file; every name and text in it is escaped.

    The page forbids itself the network, and every script but its own, which it knows by its hash.

    Raises:
        InputError: the file cannot be written.
    """
    room = templates(Path(__file__).parent)
    script = (Path(__file__).parent / "templates" / "sort.js").read_text(encoding="utf-8")
    sections = [
        (anchor, part.heading, [_kind_and_content(block) for block in part.blocks])
        for anchor, part in zip(_anchors(report.sections), report.sections, strict=True)
    ]
    page = room.get_template("report.html.j2").render(
        report=report,
        sections=sections,
        script=Markup(script),  # noqa: S704, our own
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )
    write_text(path, page)


def _anchors(sections: Sequence[Section]) -> Iterator[str]:
    """The address of each section within the page: its heading in small letters, with a number where it is not new."""
    given: set[str] = set()
    for number, section in enumerate(sections, 1):
        name = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-")
        anchor = name if name and name not in given else f"{name}-{number}".lstrip("-")
        given.add(anchor)
        yield anchor


def _kind_and_content(block: Block) -> tuple[str, Block | Markup]:
    """What the template needs to tell blocks apart; a table comes as HTML that is escaped already."""
    if isinstance(block, Table):
        parts = block.in_parts(_MOST_WITH_SPREAD if any(map(any, block.spreads)) else _MOST_COLUMNS)
        return "table", Markup("".join(to_html(part) for part in parts))  # noqa: S704, to_html escapes
    kinds = {Picture: "picture", Row: "row", Facts: "facts", str: "paragraph"}
    return kinds[type(block)], block
