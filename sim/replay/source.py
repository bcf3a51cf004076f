"""What a person names on the command line, opened and checked: a log, a GPX track, or a live receiver."""

import re
import stat
from pathlib import Path

from bridge.errors import ConfigError

from .gpx import looks_like_gpx, to_nmea
from .live import LivePort
from .log import Log

Source = Log | LivePort
_EXPECTED = "a file with an NMEA log or a GPX track, or a serial port such as /dev/ttyUSB0, COM3 or socket://host:port"


def open_source(name: str, baud: int = 9600) -> Source:
    """ConfigError when there is no such file or port, or when it holds neither NMEA nor a track. `baud` is for ports."""
    if _is_port(name):
        return LivePort(name, baud)
    path = Path(name)
    try:
        if path.is_dir():
            raise ConfigError(name, "source", "a folder", _EXPECTED)
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(name, "source", "no such file", _EXPECTED) from None
    except (OSError, ValueError) as error:
        raise ConfigError(name, "source", str(error), _EXPECTED) from None
    return Log(name, to_nmea(name, data) if looks_like_gpx(name, data) else data)


def _is_port(name: str) -> bool:
    if "://" in name or re.fullmatch(r"(\\\\\.\\)?COM\d+", name, re.IGNORECASE):
        return True
    try:
        return stat.S_ISCHR(Path(name).stat().st_mode)
    except (OSError, ValueError):
        return name.startswith("/dev/")
