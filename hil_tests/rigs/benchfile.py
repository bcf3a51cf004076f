"""A bench as a person writes it down: TOML in, a checked `Bench` out, or one ConfigError that names file, table, key and value.

    name = "desk"                       [drivers.board]             [strap]
    [device]                            kind = "fixture"            driver = "board"
    name = "tag-000123"                 serial = "E66148…"          channel = "16"

A table a capability binds it to a driver of the file and to one of its channels; `on` is the device's ordinary state (strap and
case closed; mains, charger, network and power there), `inverted` turns a channel round. docs/bench.md has a whole one.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bridge.cases.reading import config_error
from bridge.cases.scheme import HomeUnitName, TagName
from bridge.errors import ConfigError
from hil_tests.drivers.base import Driver, Place, Senses, Speaks, Supplies, Switches
from hil_tests.drivers.kinds import driver_class

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Channel = Annotated[str, Field(min_length=1, max_length=64)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Device(Table):
    """The tag under test, by the name it was provisioned with, and its home unit's.

    `serial` (its USB serial number) or `port` (a device or a URL of pyserial) is where its debug console is, for a bench that
    wants to ask it. An `expendable` one is flashed and provisioned by tests, as a `board` (a folder of firmware/boards): its
    records and keys are lost, and its console is not asked.
    """

    name: TagName
    home_unit: HomeUnitName | None = None
    serial: Annotated[str, Field(min_length=1)] | None = None
    port: Annotated[str, Field(min_length=1)] | None = None
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 115200
    board: Annotated[str, Field(min_length=1)] = "tag_t_a7670_l76k"
    expendable: bool = False

    @model_validator(mode="after")
    def _not_both(self) -> "Device":
        if self.serial is not None and self.port is not None:
            raise ValueError('either "serial" or "port"')
        return self


class Store(Table):
    """`file`: the store of the bridge that takes the device's records in, `store.db` of its folder."""

    file: Annotated[str, Field(min_length=1)]


class Line(Table):
    """A channel of a driver."""

    driver: Name
    channel: Channel
    inverted: bool = False


class PowerLine(Line):
    """`off_s`: how long a cut lasts; long enough for the board's capacitors to run empty (our judgement: 1 s)."""

    off_s: Annotated[float, Field(gt=0, le=60)] = 1.0


class GnssLine(Table):
    """`awake`: the input on which the fixture sees the device's wake-up pin; without it the receiver never sleeps."""

    driver: Name
    awake: Line | None = None


class RadioLine(Table):
    """A digital step attenuator: the first channel is `step_db`, each further one twice as much as the one before."""

    driver: Name
    channels: Annotated[list[Channel], Field(min_length=1, max_length=10)]
    step_db: Annotated[float, Field(gt=0, le=64)] = 0.5
    inverted: bool = False


class Zone(Table):
    """An exclusion zone that the device has been configured with: a circle."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    radius_m: Annotated[int, Field(ge=10, le=100_000)]


class BenchFile(Table):
    name: Name
    device: Device
    drivers: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    store: Store | None = None
    zone: Zone | None = None
    gnss: GnssLine | None = None
    radio: RadioLine | None = None
    strap: Line | None = None
    case: Line | None = None
    mains: Line | None = None
    charger: Line | None = None
    network: Line | None = None
    battery: Line | None = None
    power: PowerLine | None = None


class Bench:
    """A checked file. `file` is the model, `drivers` are made and not opened, those that no table uses left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _read(path)
        if self.file.gnss and self.file.gnss.awake and self.file.gnss.awake.driver not in self.file.drivers:
            raise self._wrong("gnss.awake", "driver", self.file.gnss.awake.driver, self._known())
        self.drivers: dict[str, Driver] = {}
        for table, key, line, wants in self._lines():
            driver = self._driver(table, line.driver)
            if not isinstance(driver, wants):
                method = next(name for name in vars(wants) if not name.startswith("_"))
                raise self._wrong(
                    table, "driver", line.driver, f"a driver with {method}(); {_kind(self, line.driver)!r} has none"
                )
            for channel in getattr(line, "channels", None) or ([line.channel] if key == "channel" else []):
                if expected := driver.check(channel):
                    raise self._wrong(table, key, channel, expected)

    def _lines(self) -> list[tuple[str, str, Any, type]]:
        file = self.file
        found: list[tuple[str, str, Any, type]] = [
            (table, "channel", line, Supplies if table == "battery" else Switches)
            for table in ("strap", "case", "mains", "charger", "network", "battery", "power")
            if (line := getattr(file, table)) is not None
        ]
        if file.gnss is not None:
            found.append(("gnss", "", file.gnss, Speaks))
            if file.gnss.awake is not None:
                found.append(("gnss.awake", "channel", file.gnss.awake, Senses))
        if file.radio is not None:
            found.append(("radio", "channels", file.radio, Switches))
        return found

    def _driver(self, table: str, name: str) -> Driver:
        if name not in self.file.drivers:
            raise self._wrong(table, "driver", name, self._known())
        if name not in self.drivers:
            given = dict(self.file.drivers[name])
            place = Place(str(self.path), f"drivers.{name}", self.path.absolute().parent)
            kind = given.pop("kind", None)
            if not isinstance(kind, str):
                raise place.wrong("kind", kind, "the kind of driver, such as relay or fixture")
            made = driver_class(kind, place)
            try:
                settings = made.Settings.model_validate(given)
            except ValidationError as error:
                raise _worded(self.path, error, made.Settings, f"drivers.{name}") from None
            self.drivers[name] = made(settings, place)
        return self.drivers[name]

    def _known(self) -> str:
        return f"one of the file's [drivers]: {', '.join(self.file.drivers) or 'it has none'}"

    def _wrong(self, table: str, key: str, value: object, expected: str) -> ConfigError:
        return ConfigError(self.path, f"[{table}] {key}", value, expected)


def _kind(bench: Bench, name: str) -> object:
    return bench.file.drivers[name].get("kind")


def _read(path: Path) -> BenchFile:
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "(syntax)", str(error), "valid TOML") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "(file)", str(path), f"a TOML file that can be read ({error})") from None
    try:
        return BenchFile.model_validate(data)
    except ValidationError as error:
        raise _worded(path, error, BenchFile) from None


def _worded(path: Path, error: ValidationError, model: type[BaseModel], table: str = "") -> ConfigError:
    """The first of pydantic's complaints, by table and key as TOML has them."""
    told = config_error(path, error, None, model)
    field = "" if told.field == "(file)" else told.field
    if told.expected.startswith("one of the keys"):  # the field is then the table, and the value the key that is not known
        where = ".".join(part for part in (table, field) if part)
        return ConfigError(path, f"[{where}]" if where else "(top)", told.value, told.expected)
    inside, _, key = field.rpartition(".")
    where = ".".join(part for part in (table, inside) if part)
    if not where and key in BenchFile.model_fields and _is_table(key):
        return ConfigError(path, f"[{key}]", told.value, told.expected)
    return ConfigError(path, f"[{where}] {key}".strip() if where else key, told.value, told.expected)


def _is_table(key: str) -> bool:
    kinds = (BenchFile.model_fields[key].annotation, *get_args(BenchFile.model_fields[key].annotation))
    return any(isinstance(kind, type) and issubclass(kind, Table) for kind in kinds)
