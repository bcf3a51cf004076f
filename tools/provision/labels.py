"""Labels to print and stick on: a QR code, the name for people, and a line of the scheme's own. PNG, SVG or PDF.

One label is a drawing of its own size; several are a sheet of 24 on A4 (63.5 × 33.9 mm each, three by eight: what shops sell as
L7159). QR by segno, error correction level Q: a quarter of it may be scratched (ISO/IEC 18004).
"""

from collections.abc import Sequence
from pathlib import Path

import segno
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath

from bridge.errors import ConfigError
from tools.inputs import COMMAND_LINE
from tools.inputs import check_target as check_place

from .code import encode

WIDTH_MM, HEIGHT_MM = 63.5, 33.9
PAGE_MM = 210.0, 297.0
COLUMNS, ROWS = 3, 8
PER_SHEET = COLUMNS * ROWS
_LEFT_MM, _TOP_MM, _GAP_MM = 7.21, 13.1, 2.54  # of an L7159 sheet: margins, and between the columns
_INCH_MM = 25.4
_DPI = 300
_QUIET = 4  # modules (ISO/IEC 18004)
_QR_MM = 25.0
_INSET_MM = 2.5
_TEXT_MAX = 60
_FORMATS = {".png": FigureCanvasAgg, ".svg": FigureCanvasSVG, ".pdf": FigureCanvasPdf}
_SQUARE = [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY]
_WORDS = {"tag": "Tag", "hmu": "Home unit"}


def check_target(path: Path, option: str = "--label") -> None:
    """ConfigError when no label can be written there."""
    if path.suffix.lower() not in _FORMATS:
        raise ConfigError(COMMAND_LINE, option, str(path), "a file that ends in .png, .svg or .pdf")
    check_place(option, path)


def write_labels(path: Path, names: Sequence[str], text: str = "", skip: int = 0) -> None:
    """A label each. `text`: a line below the name; `skip`: places of the first sheet that are gone already.

    ConfigError when they do not fit into one picture, or the text does not fit a label.
    """
    if len(text) > _TEXT_MAX or not text.isprintable():
        raise ConfigError(COMMAND_LINE, "--text", text, f"at most {_TEXT_MAX} printable characters")
    if len(names) == 1 and not skip:
        figure = _figure(WIDTH_MM, HEIGHT_MM)
        _draw(figure, names[0], text, 0.0, 0.0)
        return _save([figure], path)
    places = [""] * skip + list(names)
    sheets = []
    for start in range(0, len(places), PER_SHEET):
        figure = _figure(*PAGE_MM)
        for at, name in enumerate(places[start : start + PER_SHEET]):
            if name:
                left = _LEFT_MM + at % COLUMNS * (WIDTH_MM + _GAP_MM)
                _draw(figure, name, text, left, PAGE_MM[1] - _TOP_MM - (at // COLUMNS + 1) * HEIGHT_MM)
        sheets.append(figure)
    if len(sheets) > 1 and path.suffix.lower() != ".pdf":
        raise ConfigError(COMMAND_LINE, "--label", str(path), f"a .pdf: {PER_SHEET} labels fit one sheet")
    _save(sheets, path)


def _save(figures: list[Figure], path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        with PdfPages(path, metadata={"Creator": "homeward", "CreationDate": None}) as pdf:
            for figure in figures:
                pdf.savefig(figure)
        return
    metadata = {"Date": None} if suffix == ".svg" else {}
    figures[0].savefig(path, dpi=_DPI, metadata=metadata)


def _figure(width_mm: float, height_mm: float) -> Figure:
    """A blank page whose data coordinates are millimetres from the bottom left."""
    figure = Figure(figsize=(width_mm / _INCH_MM, height_mm / _INCH_MM), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width_mm)
    axes.set_ylim(0, height_mm)
    axes.axis("off")
    return figure


def _draw(figure: Figure, name: str, text: str, left: float, bottom: float) -> None:
    axes = figure.axes[0]
    code = encode(name)
    matrix = [list(row) for row in segno.make_qr(code, error="q").matrix_iter(border=_QUIET)]
    module = _QR_MM / len(matrix)
    x0, y0 = left + _INSET_MM, bottom + (HEIGHT_MM - _QR_MM) / 2
    corners: list[tuple[float, float]] = []
    for y, row in enumerate(matrix):
        top = y0 + _QR_MM - y * module
        for x, is_dark in enumerate(row):
            if is_dark:
                left_x, right_x = x0 + x * module, x0 + (x + 1) * module
                corners += ((left_x, top), (right_x, top), (right_x, top - module), (left_x, top - module), (left_x, top))
    outline = Outline(corners, _SQUARE * (len(corners) // len(_SQUARE)))
    axes.add_patch(PathPatch(outline, facecolor="black", linewidth=0, antialiased=False))
    x = x0 + _QR_MM + 1.5
    room_mm = left + WIDTH_MM - _INSET_MM - x
    middle = bottom + HEIGHT_MM / 2
    kind = _WORDS[name.partition("-")[0]]
    _write(figure, x, middle + 4.5, kind, 9, room_mm)
    _write(figure, x, middle - 0.5, name, 16, room_mm, weight="bold")
    _write(figure, x, middle - 5.0, code, 7, room_mm)
    for at, line in enumerate(_lines(text)):
        _write(figure, x, middle - 8.5 - 2.6 * at, line, 6.5, room_mm)


def _lines(text: str) -> list[str]:
    """In at most two, at a blank if there is one near the middle."""
    if len(text) <= _TEXT_MAX // 2:
        return [text] if text else []
    cut = text.rfind(" ", 0, _TEXT_MAX // 2 + 1)
    return [text[:cut], text[cut + 1 :]] if cut > 0 else [text[: _TEXT_MAX // 2], text[_TEXT_MAX // 2 :]]


def _write(figure: Figure, x: float, y: float, text: str, points: float, room_mm: float, weight: str = "normal") -> None:
    """As large as `points`, or as there is room for."""
    font = FontProperties(family="DejaVu Sans", weight=weight)
    width_mm = TextPath((0, 0), text, size=points, prop=font).get_extents().width / 72 * _INCH_MM if text.strip() else 0.0
    size = points if width_mm <= room_mm else points * room_mm / width_mm
    figure.axes[0].text(x, y, text, fontproperties=font, fontsize=size, va="baseline")
