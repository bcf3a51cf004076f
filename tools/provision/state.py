"""A scheme's folder, mode 0700: everything that makes it this scheme and no other. One folder, so that it can be guarded.

provision.toml      how devices reach the broker, and which boards are used
fleet.key           64 hex digits, 0600: every device's keys follow from it
tls/                the authority (ca.crt, ca.key) and what it has issued; keys are 0600
kits/NAME.json      0600: the keys and the certificate of one device, where the two above are kept elsewhere
store.db            the bridge's store, with the inventory in it; provision.toml may name another
bridge.toml         the bridge's settings, for `homeward bridge run`

broker = "broker.example:8883"      # as devices reach it
shard = "0"                         # which part of the topic tree they speak in
store = "store.db"                  # a path, or an SQLAlchemy URL
links = ["ethernet", "wifi"]        # a home unit's ways to the broker, the best first
wifi_file = "wifi"                  # mode 0600: a line of SSID, a line of passphrase
[boards]
tag = "tag_t_a7670_l76k"
hmu = "hmu_esp32_poe"
"""

import json
import secrets
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from bridge import provisioning
from bridge.broker.authority import Authority
from bridge.broker.process import write_secret
from bridge.broker.users import BRIDGE, check_level
from bridge.errors import ConfigError
from bridge.keys import FLEET_KEY, load_fleet_key
from bridge.provisioning import BOARDS, KEY_ID, Credentials, Keys
from bridge.settings import read_secret
from bridge.store import open_store

SITE = "provision.toml"
FLEET = "fleet.key"
TLS = "tls"
KITS = "kits"
STORE = "store.db"
PORT = 8883  # MQTT over TLS (IANA)
LINKS = sorted({link for links in provisioning.LINKS.values() for link in links})
_KIT_MAX = 16_384  # bytes


class Site(BaseModel):
    """What provision.toml says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker: Annotated[str, Field(min_length=1)]
    shard: Annotated[str, Field(min_length=1)] = "0"
    store: Annotated[str, Field(min_length=1)] = STORE
    links: tuple[str, ...] = ()
    wifi_file: Path | None = None
    apn: Annotated[str, Field(min_length=1)] | None = None
    boards: dict[str, str] = Field(default_factory=dict)


class State:
    """The folder of a scheme that was begun with `homeward ca init`. ConfigError when it is none, or says something wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._file = self.folder / SITE
        try:
            values = tomllib.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            expected = "a scheme's folder: `homeward ca init` begins one, `--state` or HOMEWARD_STATE names it"
            raise ConfigError("command line", "--state", str(folder), expected) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(self._file, "(file)", str(self._file), f"a readable TOML file ({error})") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(self._file, "(syntax)", str(error), "valid TOML") from None
        self.site = self._site(values)
        self.broker = parse_broker(self.site.broker, self._file)

    def _site(self, values: dict[str, Any]) -> Site:
        try:
            site = Site(**values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in problem["loc"])
            known = "one of " + ", ".join(Site.model_fields)
            expected = known if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Input should be ")
            raise ConfigError(self._file, field, None if problem["type"] == "missing" else problem["input"], expected) from None
        check_level("shard", site.shard)
        for link in site.links:
            if link not in LINKS:
                raise ConfigError(self._file, "links", link, "some of " + ", ".join(LINKS))
        for kind in site.boards:
            if kind not in BOARDS:
                raise ConfigError(self._file, "boards", kind, "tag or hmu")
        if "wifi" in site.links and site.wifi_file is None:
            raise ConfigError(self._file, "wifi_file", None, "a file: one of the links is wifi")
        return site

    def board(self, kind: str) -> str:
        """The board of a kind (tag, hmu) that this scheme uses."""
        return self.site.boards.get(kind, BOARDS[kind])

    def wifi(self) -> tuple[str, str] | None:
        """SSID and passphrase of the home units' Wi-Fi."""
        if "wifi" not in self.site.links or self.site.wifi_file is None:
            return None
        path = self.folder / self.site.wifi_file
        lines = read_secret(path, "wifi_file").splitlines()
        if len(lines) != 2 or not all(lines):
            raise ConfigError(path, "wifi_file", f"{len(lines)} lines", "two lines: SSID and passphrase")
        return lines[0], lines[1]

    def open_store(self, *, read_only: bool = False) -> Engine:
        """The bridge's store, with the inventory in it; made when there is none."""
        given = self.site.store
        return open_store(given if "://" in given else self.folder / given, read_only=read_only)

    # Secrets

    @cached_property
    def authority(self) -> Authority:
        """ConfigError when there is none yet."""
        folder = self.folder / TLS
        if not (folder / "ca.crt").is_file():
            raise ConfigError(folder / "ca.crt", "authority", "no such file", "what `homeward ca init` makes")
        return Authority(folder)

    @property
    def has_fleet_key(self) -> bool:
        return (self.folder / FLEET).exists()

    def keys(self, name: str, household: str | None, key_id: int = KEY_ID) -> Keys:
        """A device's own. ConfigError when neither the fleet key nor a kit that fits is here."""
        if self.has_fleet_key:
            return provisioning.device_keys(load_fleet_key(self.folder / FLEET), name, household, key_id)
        kit = self._kit(name)
        if kit["home_unit"] != household:
            expected = f"{kit['home_unit']}, for which its kit was made, or a new kit (homeward ca kit)"
            raise ConfigError(self._kit_file(name), "home unit", household, expected)
        if kit["key_id"] != key_id:
            raise ConfigError(self._kit_file(name), "key", kit["key_id"], f"a new kit, with --key {key_id} (homeward ca kit)")
        try:
            key, rf_key = bytes.fromhex(kit["key"]), bytes.fromhex(kit["rf_key"])
            return Keys(key_id, key, rf_key, str(kit["password"]))
        except (ValueError, TypeError, KeyError):
            raise self._no_kit(name) from None

    def credentials(self, name: str) -> Credentials:
        """A device's certificate: the one that was issued, or a new one when that does not last. ConfigError as `keys`."""
        if not self.has_fleet_key and self._kit_file(name).exists():
            kit = self._kit(name)
            try:
                return Credentials(bytes.fromhex(kit["ca"]), bytes.fromhex(kit["cert"]), bytes.fromhex(kit["cert_key"]))
            except (ValueError, TypeError, KeyError):
                raise self._no_kit(name) from None
        identity = self.authority.client(name)
        return Credentials(self.authority.certificate_der, identity.certificate_der, identity.key_der)

    def _kit_file(self, name: str) -> Path:
        return self.folder / KITS / f"{name}.json"

    def _no_kit(self, name: str) -> ConfigError:
        return ConfigError(self._kit_file(name), "kit", "(hidden)", "a kit as `homeward ca kit` writes it")

    def _kit(self, name: str) -> dict[str, Any]:
        path = self._kit_file(name)
        if not path.exists():
            expected = f"{FLEET} in {self.folder}, or the device's kit (homeward ca kit {name}, where the fleet key is)"
            raise ConfigError(path, "keys", "no such file", expected)
        try:
            kit = json.loads(read_secret(path, "kit", _KIT_MAX))
        except ValueError:
            raise self._no_kit(name) from None
        if (
            not isinstance(kit, dict)
            or kit.get("device") != name
            or not {"home_unit", "key_id", "partners", "slot"} <= kit.keys()
        ):
            raise self._no_kit(name)
        return kit

    def kit_place(self, name: str) -> tuple[list[str], int] | None:
        """(partners, slot) as a device's kit says them; None without one."""
        if self.has_fleet_key or not self._kit_file(name).exists():
            return None
        kit = self._kit(name)
        return list(kit["partners"]), int(kit["slot"])

    def write_kit(
        self, folder: Path, name: str, household: str | None, partners: list[str], slot: int, key_id: int = KEY_ID
    ) -> Path:
        """Put what one device is given into a scheme's folder that has no secrets of others. The file, mode 0600."""
        keys, credentials = self.keys(name, household, key_id), self.credentials(name)
        kit = {
            "device": name,
            "home_unit": household,
            "partners": partners,
            "slot": slot,
            "key_id": keys.key_id,
            "key": keys.key.hex(),
            "rf_key": keys.rf_key.hex(),
            "password": keys.password,
            "ca": credentials.ca.hex(),
            "cert": credentials.certificate.hex(),
            "cert_key": credentials.key.hex(),
        }
        target = folder.absolute() / KITS
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_secret(target / f"{name}.json", json.dumps(kit, indent=1) + "\n")
        if not (folder / SITE).exists():
            write_secret(folder / SITE, self._file.read_text(encoding="utf-8"))
        if (wifi := self.site.wifi_file) is not None and not (folder / wifi).exists():
            write_secret(folder / wifi, read_secret(self.folder / wifi, "wifi_file") + "\n")
        return target / f"{name}.json"


def parse_broker(text: str, file: object = "command line") -> tuple[str, int]:
    """Host and port of `broker.example`, `broker.example:8883` or `[::1]:8883`. ConfigError otherwise."""
    expected = "a host name or an address, and a port if it is not 8883: broker.example:8883"
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535 or not host or set(host) & set(" /@*[]"):
        raise ConfigError(file, "broker", text, expected)
    if not host.isascii():
        raise ConfigError(file, "broker", text, expected)
    return host, int(port)


def begin(folder: Path, broker: str, store: str | None, scheme: str) -> list[str]:
    """A scheme's folder: what of it is missing is made, what is there stays. The names of what was made."""
    wanted = host, port = parse_broker(broker)
    made: list[str] = []
    folder = folder.absolute()
    if (folder / SITE).exists() and State(folder).broker != wanted:
        expected = f"{State(folder).site.broker}, as {folder / SITE} says; change it there, then `homeward ca renew broker`"
        raise ConfigError("command line", "--broker", broker, expected)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The place of the keys comes before the keys: nothing lies about for others, not even for a moment.
    if folder.stat().st_mode & 0o077:
        raise ConfigError(folder, "mode", f"{folder.stat().st_mode & 0o777:04o}", "0700: a folder of keys is nobody else's")
    if not (folder / SITE).exists():
        lines = [f"broker = {json.dumps(broker)}  # as devices reach it", 'shard = "0"']
        lines.append(f"store = {json.dumps(store or STORE)}")
        write_secret(folder / SITE, "\n".join(lines) + "\n")
        made.append(SITE)
    if not (folder / FLEET).exists() and not (folder / KITS).exists():
        write_secret(folder / FLEET, secrets.token_hex(FLEET_KEY) + "\n")
        made.append(FLEET)
    is_new = not (folder / TLS / "ca.crt").exists()
    authority = Authority(folder / TLS, scheme)
    if is_new:
        made.append(f"{TLS}/ca.crt")
    if authority.can_issue:
        before = set(authority.issued())
        authority.server([host])
        authority.client(BRIDGE)
        made += [f"{TLS}/{name}.crt" for name in ("broker", BRIDGE) if name not in before]
    if not (folder / "bridge.toml").exists():
        write_secret(folder / "bridge.toml", _bridge_settings(host, port, store or STORE))
        made.append("bridge.toml")
    return made


def _bridge_settings(host: str, port: int, store: str) -> str:
    lines = [
        f"broker_host = {json.dumps(host)}",
        f"broker_port = {port}",
        f'broker_ca_file = "{TLS}/ca.crt"',
        f'broker_cert_file = "{TLS}/{BRIDGE}.crt"',
        f'broker_key_file = "{TLS}/{BRIDGE}.key"',
        f"store = {json.dumps(store)}",
        f'fleet_key_file = "{FLEET}"',
        '# scheme_file = "scheme.yaml"',
    ]
    return "\n".join(lines) + "\n"
