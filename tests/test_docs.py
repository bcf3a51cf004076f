"""What the documentation tells of the firmware in tables, the firmware says too: codes, settings, orders, pins, commands."""

import ast
import re
from pathlib import Path

import pytest

from firmware.core import console, message, record
from firmware.core.settings import ranges
from tests.tools.commands import homeward

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
FIRMWARE, TAG, UNIT = (ROOT / "docs" / name for name in ("firmware.md", "tag.md", "home-unit.md"))


def rows(path: Path, *titles: str) -> list[list[str]]:
    """The cells of the table with this head."""
    head = "| " + " | ".join(titles) + " |"
    lines = path.read_text("utf-8").splitlines()
    assert lines.count(head) == 1, head
    found = []
    for line in lines[lines.index(head) + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line[1:-1].split(" |")])
    assert found and {len(row) for row in found} == {len(titles)}
    return found


def constants(path: Path) -> dict[str, int]:
    """The whole numbers that a module gives to names, one or several at once, without importing it."""
    found: dict[str, int] = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(value, ast.Tuple) and isinstance(target, ast.Tuple) else [value]
            for name, one in zip(names, values, strict=True):
                while isinstance(one, (ast.Tuple, ast.Call)):
                    one = one.elts[0] if isinstance(one, ast.Tuple) else one.args[0]
                if isinstance(name, ast.Name) and isinstance(one, ast.Constant) and type(one.value) is int:
                    found[name.id] = one.value
    return found


def test_the_codes_of_events_are_those_of_the_record():
    told = {name.strip("`"): int(code) for code, name, _, _ in rows(FIRMWARE, "code", "name", "what happened", "evidence")}
    all_of_them = constants(ROOT / "firmware/core/record.py")
    names = list(all_of_them)
    codes = names[names.index("BOOT") : names.index("ZONE_OUTSIDE")]
    assert told == {name: all_of_them[name] for name in codes}
    assert told["WARNED"] == record.WARNED


def test_the_settings_are_those_of_the_firmware():
    told = {}
    for name, default, span, _ in rows(FIRMWARE, "setting", "default", "range", "what it is"):
        low, _, high = span.partition(" to ")
        told[name.strip("`")] = (int(default), int(low), int(high))
    assert told == ranges()


def test_the_kinds_of_orders_are_those_of_the_message():
    told = {name.strip("`"): int(kind) for kind, name, _, _ in rows(FIRMWARE, "kind", "name", "who", "payload, and what it does")}
    not_kinds = ("ORDER_HEADER", "ORDER_DATA_MAX", "ORDER_TOTAL_MAX")
    all_of_them = constants(ROOT / "firmware/core/message.py")
    assert told == {name: n for name, n in all_of_them.items() if name.startswith("ORDER_") and name not in not_kinds}
    assert told["ORDER_KEY"] == message.ORDER_KEY


def test_the_consoles_commands_are_all_there():
    told = {command.strip("`") for command, _ in rows(FIRMWARE, "command", "what it tells")}
    source = Path(console.__file__).read_text("utf-8")
    assert told == {"help", *re.findall(r'^        "(\w+)": \w+,$', source, re.MULTILINE)}


def test_every_value_in_the_settings_store_is_named():
    told = set(re.findall(r"`(\w+)`", " ".join(where for where, _ in rows(FIRMWARE, "where", "what"))))
    asked: set[str] = set()
    for path in (ROOT / "firmware").rglob("*.py"):
        asked |= set(re.findall(r'store\.(?:blob|number)\("(\w+)"', path.read_text("utf-8")))
    assert asked <= told and told - asked == {"journal", "config", "relay"}


def test_the_tags_pins_are_those_of_its_board():
    told = {name.strip("`"): int(pin) for pin, name, _ in rows(TAG, "pin", "name", "what hangs there")}
    board = constants(ROOT / "firmware/boards/tag_t_a7670_l76k/__init__.py")
    pins = {name: pin for name, pin in board.items() if not name.startswith("_") and name != "BATTERY_DIVIDER"}
    assert told == pins


def test_the_home_units_pins_are_those_of_their_boards():
    boards = set()
    for name, *pins in rows(UNIT, "board", "mains", "tilt", "case", "battery"):
        board = name.split("`")[1]
        boards.add(board)
        found = constants(ROOT / "firmware/boards" / board / "__init__.py")
        assert [int(pin) for pin in pins] == [found[each] for each in ("MAINS", "TILT", "CASE", "BATTERY")], board
    assert boards == {path.name for path in (ROOT / "firmware/boards").glob("hmu_*")}


def test_the_example_of_a_scenario_is_one(tmp_path: Path):
    """By the command itself, as the reader will do it; and its schema is where its first line says, from the tree's top."""
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "simulator.md").read_text("utf-8"), re.DOTALL)
    (tmp_path / "first-day.yaml").write_text(example)
    done = homeward("sim", "check", "first-day.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "good. 1 wearers, 3 h" in done.stdout and "2 expectations" in done.stdout
    (schema,) = re.findall(r"\$schema=(\S+)", example)
    assert (ROOT / schema).exists()


@pytest.mark.parametrize("path", [*DOCS, ROOT / "README.md"], ids=lambda path: path.name)
def test_what_is_linked_or_named_is_there(path: Path):
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / target).exists(), target
    for module in re.findall(r"`((?:tests|sim|bridge|tools|firmware)/[\w/.-]+)`", text):
        assert (ROOT / module).exists(), module
