"""What has to be done to a board, held against a model that does it."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.releases import File, Manifest
from firmware import switch
from tools.flash.partitions import board_partitions, pack_partitions, parse_partitions
from tools.flash.plan import Found, folders_of, make_plan
from tools.release.build import boards

PATHS = st.sampled_from([f"firmware/{folder}{name}.mpy" for folder in ("", "core/", "core/mqtt/", "tag/") for name in "abc"])
CONTENTS = st.sampled_from([b"", b"one", b"two", b"x" * 5000])
TREES = st.dictionaries(PATHS, CONTENTS.filter(bool), max_size=8)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest_of(tree: dict[str, bytes], root: dict[str, bytes]) -> Manifest:
    def described(files: dict[str, bytes]) -> dict[str, File]:
        return {path: File(len(data), digest(data)) for path, data in files.items()}

    return Manifest("0.1.0", "0" * 12, 1, "tag", "tag_x", "", "6.0", described(tree), described(root))


@given(TREES, TREES, TREES.filter(bool), st.integers(0, 63), st.booleans(), st.booleans(), CONTENTS)
def test_a_plan_makes_the_other_folder_what_is_wanted_and_touches_nothing_else(
    a: dict[str, bytes], b: dict[str, bytes], wanted: dict[str, bytes], number: int, whole_a: bool, whole_b: bool, main: bytes
) -> None:
    trees = {"a": dict(a), "b": dict(b)}
    root = {"main.py": b"m", "switch.mpy": b"s"}
    for name, is_whole in (("a", whole_a), ("b", whole_b)):
        if is_whole:
            trees[name][switch.WHOLE] = b"{}"
    have = {name: {path: digest(data) for path, data in tree.items()} for name, tree in trees.items()}
    have["/"] = {"main.py": digest(main), "switch.mpy": digest(b"s")}
    plan = make_plan(Found("", (6, 3), "esp32", "", "tag_x", number, 0, have), manifest_of(wanted, root))
    runs = switch.NAMES[number & 1]
    if plan.is_there:
        assert plan.folder == runs and {k: v for k, v in trees[runs].items() if k != switch.WHOLE} == wanted
        assert main == b"m" and not switch.on_trial(number) and not plan.bytes_to_send
        return
    assert plan.folder != runs
    target = trees[plan.folder]
    target.pop(switch.WHOLE, None)
    for path in plan.remove:
        del target[path]
    for path, source in plan.copy.items():
        _, top, rest = source.split("/", 2)
        assert top == runs
        target[path] = trees[top][rest]
    for path, size in plan.send.items():
        assert len(wanted[path]) == size
        assert wanted[path] not in trees[runs].values(), "it is on the board"
        assert target.get(path) != wanted[path], "it is there"
        target[path] = wanted[path]
    assert target == wanted
    assert set(plan.root) == ({"main.py"} if main != b"m" else set())
    assert plan.needed >= sum(len(wanted[path]) for path in (*plan.send, *plan.copy))


@given(st.lists(PATHS))
def test_folders_are_made_from_the_outside_in(paths: list[str]) -> None:
    made: set[str] = set()
    for folder in folders_of(paths):
        assert "/" not in folder or folder.rpartition("/")[0] in made
        made.add(folder)
    assert all(path.rpartition("/")[0] in made for path in paths)


def test_a_partition_table_is_packed_as_esp_idf_packs_it() -> None:
    """Its documentation's "Single factory app, no OTA", as `gen_esp32part.py` makes it."""
    csv = "nvs, data, nvs, 0x9000, 0x6000\nphy_init, data, phy, 0xf000, 0x1000\nfactory, app, factory, 0x10000, 0x100000\n"
    packed = pack_partitions(parse_partitions(written(csv)))
    entries = bytes.fromhex(
        "aa50010200900000006000006e7673000000000000000000000000000000000000"[:64]
        + "aa50010100f00000001000007068795f696e6974000000000000000000000000"
        + "aa500000000001000000100066616374 6f727900000000000000000000000000".replace(" ", "")
    )
    assert [packed[i : i + 28] for i in (0, 32, 64)] == [
        entries[:28],
        entries[32:60],
        entries[64:92],
    ]
    assert packed[96:98] == b"\xeb\xeb" and packed[112:128] == hashlib.md5(packed[:96]).digest()
    assert set(packed[128:]) == {0xFF} and len(packed) == 0x1000


def written(text: str) -> Path:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
        file.write(text)
    return Path(file.name)


@pytest.mark.parametrize("board", boards())
def test_every_board_has_partitions_that_fit_its_flash_and_its_application_twice(board: str) -> None:
    partitions = {each.name: each for each in board_partitions(board)}
    assert max(each.offset + each.size for each in partitions.values()) <= 4 << 20
    assert {"nvs", "factory", "journal", "config", "vfs"} <= partitions.keys()
    assert ("relay" in partitions) == board.startswith("hmu")
    assert partitions["factory"].offset == 0x10000 and partitions["factory"].size >= 1700 * 1024


def test_what_overlaps_or_is_misspelt_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "partitions.csv"
    for text, word in (
        ("a, data, nvs, 0x9000, 0x2000\nb, data, nvs, 0xa000, 0x1000\n", "line 2"),
        ("a, app, factory, 0x11000, 0x1000\n", "line 1"),
        ("# none\na, data, spiffs, 0x9000, 0x1000\n", "line 2"),
        ("a, data, nvs, here, 0x1000\n", "line 1"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=word):
            parse_partitions(path)
