"""What is wrong in a bench file is told in one line: file, table, key, value, what was expected. Nothing is opened before."""

import copy
import tomllib
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from hil_tests.rigs import RigError, find_rig
from hil_tests.rigs.bench import spec_of
from hil_tests.rigs.benchfile import Bench

GOOD = """
name = "desk"
[device]
name = "tag-000123"
home_unit = "hmu-000045"
[drivers.board]
kind = "fixture"
serial = "E66148"
[drivers.relays]
kind = "relay"
port = "/dev/null"
channels = 2
[drivers.sky]
kind = "receiver"
port = "/dev/null"
[strap]
driver = "board"
channel = "16"
[mains]
driver = "relays"
channel = "2"
[gnss]
driver = "sky"
awake = {driver = "board", channel = "17"}
[zone]
lat = 50.725
lon = -2.4367
radius_m = 200
"""


def bench(folder: Path, text: str) -> Path:
    path = folder / "desk.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_bench_has_what_its_tables_say(tmp_path):
    spec = spec_of(bench(tmp_path, GOOD))
    assert spec.has == {"clock", "strap", "mains", "gnss", "wake", "zone"}
    assert spec.lacking(("strap", "power", "store")) == "power, store"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('channel = "16"', "channel = 16", "[strap] channel: got 16, expected a valid string"),
        ('channel = "16"', 'pin = "16"', "[strap]: got 'pin', expected one of the keys driver, channel, inverted"),
        ('channel = "2"', 'channel = "3"', "[mains] channel: got '3', expected a relay, one of 1, 2"),
        ('driver = "relays"', 'driver = "relay"', "[mains] driver: got 'relay', expected one of the file's [drivers]: board, r"),
        ('driver = "sky"', 'driver = "relays"', "[gnss] driver: got 'relays', expected a driver with speak(); 'relay' has none"),
        ('{driver = "board"', '{driver = "relays"', "[gnss.awake] driver: got 'relays', expected a driver with sense();"),
        ('kind = "relay"', 'kind = "realy"', "[drivers.relays] kind: got 'realy', expected one of fixture, relay"),
        ("channels = 2", "channels = 0", "[drivers.relays] channels: got 0, expected greater than or equal to 1"),
        ("channels = 2", "chanels = 2", "[drivers.relays]: got 'chanels', expected one of the keys"),
        ('port = "/dev/null"\nchannels', "channels",
         "expected either \"serial\" (a USB serial number) or \"port\" (a device or a URL)"),
        ('name = "tag-000123"', 'name = "tag 123"', "[device] name: got 'tag 123', expected"),
        ("radius_m = 200", "radius_m = 1", "[zone] radius_m: got 1, expected greater than or equal to 10"),
        ("lat = 50.725", 'lat = "north"', "[zone] lat: got 'north', expected a valid number"),
        ("[zone]", "[zoen]", "(top): got 'zoen', expected one of the keys name, device"),
        ('name = "desk"', "", "name: got None, expected a value (it is required)"),
        ('[device]\nname = "tag-000123"\nhome_unit = "hmu-000045"', "", "[device]: got None, expected a value (it is required)"),
        ('kind = "fixture"', "", "[drivers.board] kind: got None, expected the kind of driver"),
        ("[mains]", "[mains", "(syntax): got"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_table_and_key(tmp_path, before, after, told):
    path = bench(tmp_path, GOOD.replace(before, after, 1))
    with pytest.raises(ConfigError) as error:
        Bench(path)
    assert str(error.value).startswith(f"{path}: ") and told in str(error.value)
    assert "\n" not in str(error.value)


def test_every_key_that_is_of_the_wrong_type_is_refused_by_its_name(tmp_path):
    data = tomllib.loads(GOOD)
    for table, keys in ((t, k) for t, k in data.items() if isinstance(k, dict) and t != "drivers"):
        for key in keys:
            broken = copy.deepcopy(data)
            broken[table][key] = [1]
            with pytest.raises(ConfigError) as error:
                Bench(bench(tmp_path, _toml(broken)))
            assert f"[{table}] {key}: got [1], expected" in str(error.value)


def _toml(data: dict) -> str:
    lines = [f"name = {data['name']!r}"]
    for table, keys in data.items():
        if table == "drivers":
            for name, driver in keys.items():
                lines += [f"[drivers.{name}]", *(f"{key} = {value!r}" for key, value in driver.items())]
        elif isinstance(keys, dict):
            lines += [f"[{table}]"]
            for key, value in keys.items():
                inline = ", ".join(f"{k} = {v!r}" for k, v in value.items()) if isinstance(value, dict) else ""
                lines.append(f"{key} = " + ("{" + inline + "}" if isinstance(value, dict) else repr(value)))
    return "\n".join(lines) + "\n"


def test_a_bench_whose_hands_have_no_terminal_lacks_what_they_do_and_says_why(tmp_path):
    text = GOOD.replace('kind = "relay"\nport = "/dev/null"\nchannels = 2', 'kind = "manual"\nterminal = "/dev/null"')
    spec = spec_of(bench(tmp_path, text))
    assert "mains" not in spec.has
    assert spec.lacking(("mains",)) == "mains (it is done by hand, and there is no terminal at /dev/null)"


def test_a_bench_that_is_not_there_is_an_error_of_the_option(tmp_path):
    with pytest.raises(RigError, match=r"--rig: .*nowhere\.toml: \(file\): got"):
        find_rig(str(tmp_path / "nowhere.toml"))
