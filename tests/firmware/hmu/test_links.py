"""Several ways to the broker: in order of preference, over to the next when one fails or leads nowhere, and back in time."""

import asyncio
import json

import pytest

from firmware.core.provision import ProvisionError
from firmware.hmu import links
from firmware.hmu.links import Links, links_of

HOUR_MS = 3600_000


class Way:
    def __init__(self, name: str, there: bool = True) -> None:
        self.name, self.there, self.on = name, there, False

    async def up(self) -> bool:
        self.on = self.there
        return self.on

    async def down(self) -> None:
        self.on = False

    def is_up(self) -> bool:
        return self.on and self.there


class Ways:
    """Links under a hand-turned clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **there: bool) -> None:
        self.now = 1000
        monkeypatch.setattr(links, "ticks_ms", lambda: self.now)
        self.ways = {name: Way(name, is_there) for name, is_there in there.items()}
        self.links = Links(list(self.ways.values()))

    def up(self) -> str:
        """Bring it up; which ones are on then."""
        assert asyncio.run(self.links.up()) == self.links.is_up()
        return " ".join(name for name, way in self.ways.items() if way.on)


def test_the_first_that_comes_up_is_taken_and_only_that_is_on(monkeypatch: pytest.MonkeyPatch):
    assert Ways(monkeypatch, ethernet=True, wifi=True).up() == "ethernet"
    assert Ways(monkeypatch, ethernet=False, wifi=True, cellular=True).up() == "wifi"
    assert Ways(monkeypatch, ethernet=False, wifi=False).up() == ""


def test_when_one_drops_the_next_is_taken_and_within_the_hour_the_first_again(monkeypatch: pytest.MonkeyPatch):
    home = Ways(monkeypatch, ethernet=True, cellular=True)
    assert home.up() == "ethernet"
    home.ways["ethernet"].there = False
    assert not home.links.is_up() and home.up() == "cellular"
    home.ways["ethernet"].there = True
    home.now += HOUR_MS - 1
    assert home.links.is_up(), "it is not left for nothing"
    home.now += 1
    assert not home.links.is_up() and home.up() == "ethernet"


def test_one_that_is_up_and_leads_nowhere_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch):
    home = Ways(monkeypatch, ethernet=True, wifi=True, cellular=True)
    seen = []
    for _ in range(4):
        seen.append(home.up())
        home.links.give_up()
        assert not home.links.is_up()
    assert seen == ["ethernet", "wifi", "cellular", "ethernet"]


def test_the_only_one_is_not_given_up(monkeypatch: pytest.MonkeyPatch):
    home = Ways(monkeypatch, ethernet=True)
    home.up()
    home.links.give_up()
    assert home.links.is_up()


class Board:
    """With Ethernet and Wi-Fi."""

    def __init__(self, **fields: object) -> None:
        self.store = self
        self._fields = fields

    def blob(self, name: str, size: int) -> bytes:
        return json.dumps(self._fields).encode()

    def link(self, name: str, values: list) -> Way | None:
        return Way(name) if name == "ethernet" or (name == "wifi" and len(values) == 2) else None


def test_what_was_provisioned_is_what_is_tried():
    names = [way.name for way in links_of(Board(links=["wifi", "ethernet"], wifi=["home", "correct horse"]))._links]
    assert names == ["wifi", "ethernet"]
    assert [way.name for way in links_of(Board())._links] == ["ethernet"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"links": ["carrier pigeon"]}, "links: expected"),
        ({"links": []}, "links: expected"),
        ({"links": "ethernet"}, "links: expected"),
        ({"links": ["cellular"]}, "cellular: not on this board"),
        ({"links": ["wifi"]}, "wifi: not on this board, or what it needs is missing"),
        ({"links": ["wifi"], "wifi": "home"}, "wifi: not on this board"),
    ],
)
def test_what_a_board_cannot_have_is_refused_by_name(fields: dict, words: str):
    with pytest.raises(ProvisionError, match=words):
        links_of(Board(**fields))
