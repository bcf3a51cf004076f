"""A run's folder: its secrets, the bridge's settings, the scheme and the town, and one folder for each device's flash.

fleet.key, bridge.password   mode 0600        bridge.toml, scheme.yaml, town.geojson
store.db  broker/  *.log                      image/   the compiled firmware
devices/<name>/                               flash, settings store and console log of a device
"""

import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import yaml

from bridge import keys, provisioning
from bridge.broker.authority import Authority
from bridge.broker.process import Tls
from bridge.broker.users import BRIDGE, User, bridge_user, device_user
from bridge.provisioning import Credentials, Place
from firmware.core.blockdev import FileDevice
from firmware.core.ident import parse_device_name

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # a fleet's scheme is long, and the C library ten times as fast
SHARD = "0"
_BRIDGE_TLS = {"ca": "ca.crt", "cert": f"{BRIDGE}.crt", "key": f"{BRIDGE}.key"}


class RunFolder:
    """Made new; FileExistsError when there already is one of that name."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, mode=0o700)
        self.fleet_key = secrets.token_bytes(32)
        self.bridge_password = secrets.token_hex(16)
        self.store = self.path / "store.db"
        self._write_secret("fleet.key", self.fleet_key.hex())
        self._write_secret("bridge.password", self.bridge_password)

    def use_tls(self) -> Tls:
        """From now on devices and bridge are given certificates, of an authority made for this run. The broker's part."""
        self.authority = authority = Authority(self.path / "tls")
        server = authority.server()
        return Tls(authority.certificate_file, server.certificate_file, server.key_file)

    authority: Authority | None = None

    def _write_secret(self, name: str, text: str) -> None:
        fd = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text + "\n")

    def users(self, devices: list[str]) -> list[User]:
        """The broker's logins: the bridge's and one for each device."""
        out = [bridge_user(self.bridge_password)]
        for name in devices:
            out.append(device_user(SHARD, name, keys.broker_password(self.fleet_key, parse_device_name(name))))
        return out

    def write_bridge_settings(self, broker_port: int, clock: str) -> None:
        """`bridge.toml`, for `python -m bridge --config`."""
        lines = [
            'broker_host = "127.0.0.1"',
            f"broker_port = {broker_port}",
            'broker_user = "bridge"',
            'broker_password_file = "bridge.password"',
            'store = "store.db"',
            'fleet_key_file = "fleet.key"',
            f'clock = "{clock}"',
            'scheme_file = "scheme.yaml"',
        ]
        if self.authority is not None:
            self.authority.client(BRIDGE)
            lines += [f'broker_{what}_file = "tls/{name}"' for what, name in _BRIDGE_TLS.items()]
        if (self.path / "town.geojson").exists():
            lines.append('town_file = "town.geojson"')
        (self.path / "bridge.toml").write_text("\n".join(lines) + "\n")

    def write_scheme(self, scheme: dict) -> None:
        text = yaml.dump(scheme, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        (self.path / "scheme.yaml").write_text(text, "utf-8")

    def write_town(self, geojson: dict) -> None:
        (self.path / "town.geojson").write_text(json.dumps(geojson))

    def provision(
        self,
        name: str,
        home_unit: str | None,
        partners: list[str],
        slot: int,
        port: int,
        policy: dict,
        given: Mapping[int, tuple[int, bytes]] | None = None,
    ) -> Path:
        """Make a device's folder with its settings store filled, as provisioning on the bench does. The folder's path.

        `given`: of the orders that the bench carries out by hand, the kind, number and payload.
        """
        credentials = None
        if self.authority is not None:
            identity = self.authority.client(name)
            credentials = Credentials(self.authority.certificate_der, identity.certificate_der, identity.key_der)
        place = Place(("127.0.0.1", port), SHARD, tuple(parse_device_name(partner) for partner in partners), slot)
        own = provisioning.device_keys(self.fleet_key, name, home_unit)
        board = provisioning.BOARDS[name.partition("-")[0]]
        folder = self.path / "devices" / name
        folder.mkdir(parents=True, mode=0o700)
        store = _BenchStore(folder)
        provisioning.write(store, provisioning.settings(name, board, place, own, credentials, policy))
        try:
            provisioning.give(store, FileDevice(str(folder / "config.flash"), 32), given or {})
        except OSError as error:
            raise OSError(f"{folder}: {error}") from None
        return folder


class _BenchStore:
    """A device's settings store as the bench sees it: each value in a file that only its owner reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def blob(self, key: str, size: int) -> bytes:
        path = self._folder / f"homeward.{key}.nvs"
        return path.read_bytes() if path.exists() else b""

    def keep_blob(self, key: str, value: bytes) -> None:
        fd = os.open(self._folder / f"homeward.{key}.nvs", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(value)


def new_run_folder(parent: Path, name: str) -> RunFolder:
    """`parent/name-YYYYMMDD-HHMMSS`, with a number behind it when that is taken: earlier runs are kept."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        path = parent / (f"{name}-{stamp}" if number == 1 else f"{name}-{stamp}-{number}")
        try:
            return RunFolder(path)
        except FileExistsError:
            continue
    raise FileExistsError(parent / name)
