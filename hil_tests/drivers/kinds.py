"""Which drivers there are, by the `kind` of a bench file's `[drivers.NAME]`. A kind "FILE.py:CLASS" is one of your own."""

import importlib.util
from pathlib import Path

from hil_tests.drivers.base import Driver, Place
from hil_tests.drivers.fixture import Fixture
from hil_tests.drivers.manual import Hands
from hil_tests.drivers.receiver import ReceiverPort
from hil_tests.drivers.relay import RelayBoard
from hil_tests.drivers.scpi import ScpiSupply
from hil_tests.drivers.usb_power import UsbPower

KINDS: dict[str, type[Driver]] = {
    "fixture": Fixture,
    "relay": RelayBoard,
    "scpi": ScpiSupply,
    "uhubctl": UsbPower,
    "receiver": ReceiverPort,
    "manual": Hands,
}


def driver_class(kind: str, place: Place) -> type[Driver]:
    """ConfigError when there is none of that kind."""
    if kind in KINDS:
        return KINDS[kind]
    file, colon, name = kind.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise place.wrong("kind", kind, f"one of {', '.join(KINDS)}, or FILE.py:CLASS")
    return _loaded(place.folder / file, name, kind, place)


def _loaded(path: Path, name: str, kind: str, place: Place) -> type[Driver]:
    spec = importlib.util.spec_from_file_location(f"bench_driver_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise place.wrong("kind", kind, f"a file that is there; {path} is not")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever stands in the file
        raise place.wrong("kind", kind, f"a file that can be loaded ({type(error).__name__}: {error})") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise place.wrong("kind", kind, f"a class {name} in {path.name} that is a hil_tests.drivers.base.Driver")
    return found
