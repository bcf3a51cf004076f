"""Labels: what they say can be read again, by another's reader too, and what was misread is noticed."""

import re
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bridge.errors import ConfigError
from firmware.core import ident
from tools.provision.code import check_character, decode, encode
from tools.provision.labels import HEIGHT_MM, PAGE_MM, PER_SHEET, WIDTH_MM, write_labels

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
serials = st.integers(1, ident.SERIAL_MAX)
names = st.builds(lambda kind, n: ident.device_name(ident.device_id(kind, n)), st.sampled_from([ident.TAG, ident.HMU]), serials)
THIRTEEN = [f"tag-{n:06d}" for n in range(1, 14)]


def test_the_check_character_is_the_standard_s() -> None:
    assert check_character("A12425GABC1234002") == "M"  # the example of the Global Release Identifier, which uses MOD 37,36


@given(names)
def test_a_code_is_read_again_however_it_is_typed(name: str) -> None:
    code = encode(name)
    assert re.fullmatch(r"HW:(TAG|HMU)-[0-9]{6,8}:[0-9A-Z]", code)
    for typed in (code, code.lower(), code.removeprefix("HW:"), f"  {code}\n", name, name.upper()):
        assert decode(typed) == name


@given(names, st.data())
def test_one_wrong_digit_is_noticed(name: str, data: Any) -> None:
    code = encode(name)
    at = data.draw(st.sampled_from([i for i, c in enumerate(code) if c.isdigit() and i < len(code) - 2]))
    wrong = data.draw(st.sampled_from([c for c in "0123456789" if c != code[at]]))
    with pytest.raises(ValueError):
        decode(code[:at] + wrong + code[at + 1 :])


def test_nearly_every_two_digits_that_were_exchanged_are_noticed() -> None:
    exchanged = noticed = 0
    for n in range(1, ident.SERIAL_MAX, 4999):
        code = encode(ident.device_name(ident.device_id(ident.TAG, n)))
        for i in range(7, len(code) - 3):
            if code[i] != code[i + 1]:
                exchanged += 1
                try:
                    decode(code[:i] + code[i + 1] + code[i] + code[i + 2 :])
                except ValueError:
                    noticed += 1
    assert exchanged > 10_000 and noticed > 0.97 * exchanged


@given(st.text(max_size=24))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        ident.parse_device_name(decode(text))
    except ValueError as refused:
        assert "expected" in str(refused)


def read(path: Path) -> list[str]:
    """What a reader of another make sees, from the top left."""
    codes = zxingcpp.read_barcodes(Image.open(path).convert("L"))
    return [code.text for code in sorted(codes, key=lambda code: (round(code.position.top_left.y, -2), code.position.top_left.x))]


def test_a_printed_label_is_read_by_another_s_reader(tmp_path: Path) -> None:
    write_labels(tmp_path / "one.png", ["hmu-000013"], "If found: 01234 567890")
    assert read(tmp_path / "one.png") == [encode("hmu-000013")]
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width / picture.height == pytest.approx(WIDTH_MM / HEIGHT_MM, rel=0.01)


def test_a_sheet_for_a_bench_of_13_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    write_labels(tmp_path / "sheet.png", THIRTEEN, skip=5)
    assert read(tmp_path / "sheet.png") == [encode(name) for name in THIRTEEN]
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width / picture.height == pytest.approx(PAGE_MM[0] / PAGE_MM[1], rel=0.01)


def test_a_pdf_has_as_many_sheets_as_it_takes_and_is_the_same_each_time(tmp_path: Path) -> None:
    many = [f"tag-{n:06d}" for n in range(1, PER_SHEET + 2)]
    write_labels(tmp_path / "many.pdf", many)
    data = (tmp_path / "many.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b", data)) == 2
    for name in ("a.pdf", "b.pdf"):
        write_labels(tmp_path / name, many[:2])
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    with pytest.raises(ConfigError, match=r"a \.pdf: 24 labels fit one sheet"):
        write_labels(tmp_path / "many.png", many)
    assert not (tmp_path / "many.png").exists()


def test_an_svg_is_a_label_in_millimetres(tmp_path: Path) -> None:
    write_labels(tmp_path / "one.svg", ["tag-000007"])
    width_pt = float(re.search(r'<svg[^>]*\bwidth="([0-9.]+)pt"', (tmp_path / "one.svg").read_text("utf-8")).group(1))  # type: ignore[union-attr]
    assert width_pt / 72 * 25.4 == pytest.approx(WIDTH_MM, abs=0.1)


def test_a_text_that_fits_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 60"):
        write_labels(tmp_path / "one.png", ["tag-000007"], "x" * 61)


def test_the_command_draws_those_that_are_ready_and_names_those_that_are_not_there(
    command: Any, plugged: Any, tmp_path: Path
) -> None:
    assert "devices that are provisioned" in command("inventory", "label", code=2).stderr
    plugged()
    command("provision", "tag", "--label", tmp_path / "new.png")
    assert read(tmp_path / "new.png") == [encode("tag-000001")]
    assert "1 label" in command("inventory", "label", "--out", "all.pdf").stdout
    assert "the name of a device in the inventory" in command("inventory", "label", "tag-000002", code=2).stderr
