"""The bridge's settings: a TOML file, or the environment (HOMEWARD_…), which wins. Secrets are files, never values.

    broker_host = "127.0.0.1"
    broker_port = 1883
    broker_user = "bridge"
    broker_password_file = "bridge.password"    # mode 0600
    broker_ca_file = "tls/ca.crt"                # with these three: TLS, and the certificate is the login
    broker_cert_file = "tls/bridge.crt"
    broker_key_file = "tls/bridge.key"           # mode 0600
    store = "store.db"                           # a path, or an SQLAlchemy URL
    fleet_key_file = "fleet.key"                 # 64 hex digits, mode 0600
    shards = ["+"]                               # which shards this process serves; "+" is all of them
    clock = "wall"                               # or "records": a simulation's: neither the host's time counts nor its power
    scheme_file = "scheme.yaml"                  # applied at each start
    release_keys_file = "release.pub"            # who signs the releases that devices are sent; without it none are sent

Paths in a file are relative to the file. A broker on another machine is spoken to by TLS alone.
"""

import ipaddress
import os
import ssl
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bridge.errors import ConfigError

PREFIX = "HOMEWARD_"
_PATHS = (
    "store",
    "broker_password_file",
    "broker_ca_file",
    "broker_cert_file",
    "broker_key_file",
    "fleet_key_file",
    "scheme_file",
    "town_file",
    "release_keys_file",
)

S = TypeVar("S", bound="BrokerLogin")


class BrokerLogin(BaseSettings):
    """Where the broker is, and who we are there."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    broker_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    broker_port: Annotated[int, Field(ge=1, le=65535)] = 1883
    broker_user: str | None = None
    broker_password_file: Path | None = None
    broker_ca_file: Path | None = None
    broker_cert_file: Path | None = None
    broker_key_file: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings  # the environment wins over the file

    def broker_tls(self) -> ssl.SSLContext | None:
        """TLS to the broker: its certificate verified against the authority and the name, ours shown to it. None for a broker
        on this machine without it. ConfigError names the file that is missing, unusable, or readable by others."""
        paths = {name: getattr(self, name) for name in ("broker_ca_file", "broker_cert_file", "broker_key_file")}
        missing = [name for name, path in paths.items() if path is None]
        if len(missing) == 3:
            if not _is_loopback(self.broker_host):
                expected = "127.0.0.1, or broker_ca_file, broker_cert_file and broker_key_file"
                raise ConfigError("settings", "broker_host", self.broker_host, expected)
            return None
        if missing:
            raise ConfigError("settings", missing[0], None, "a file: all three of the authority, our certificate and its key")
        read_secret(paths["broker_key_file"], "broker_key_file", 65536)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(paths["broker_ca_file"])
        except (OSError, ssl.SSLError):
            raise ConfigError(paths["broker_ca_file"], "broker_ca_file", str(paths["broker_ca_file"]), "PEM") from None
        try:
            context.load_cert_chain(paths["broker_cert_file"], paths["broker_key_file"], lambda: b"")
        except (OSError, ssl.SSLError):
            path = paths["broker_cert_file"]
            raise ConfigError(path, "broker_cert_file", str(path), "a certificate in PEM that goes with the key") from None
        return context

    def broker_password(self) -> str | None:
        """What is in the password file. ConfigError when others may read it."""
        return None if self.broker_password_file is None else read_secret(self.broker_password_file, "broker_password_file")


class Settings(BrokerLogin):
    client_id: Annotated[str, Field(min_length=1, max_length=23)] = "homeward-bridge"
    store: Annotated[str, Field(min_length=1)]
    fleet_key_file: Path
    shards: Annotated[list[str], Field(min_length=1)] = ["+"]
    clock: Literal["wall", "records"] = "wall"
    scheme_file: Path | None = None
    town_file: Path | None = None  # GeoJSON of streets for the console's map
    release_keys_file: Path | None = None  # the public keys of those whose releases devices may be sent; None: nobody's
    ready_timeout_s: Annotated[float, Field(ge=0, le=600)] = 5.0  # how long "bridge ready" waits for the broker

    @field_validator("shards")
    @classmethod
    def _shards(cls, shards: list[str]) -> list[str]:
        for shard in shards:
            if not shard or any(c in shard for c in "/#") or ("+" in shard and shard != "+"):
                raise ValueError('names of shards, or "+" for all')
        return shards


def load_settings(path: Path | None) -> Settings:
    """The bridge's settings. ConfigError as of `load_as`."""
    return load_as(Settings, path)


def load_as(kind: type[S], path: Path | None) -> S:
    """Settings of this kind from a TOML file and the environment. ConfigError names file, field, value and what was expected."""
    values: dict[str, Any] = {}
    file: object = path or "environment"
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(path, "(file)", str(path), f"a readable TOML file ({error})") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(path, "(syntax)", str(error), "valid TOML") from None
        for key in _PATHS:
            if isinstance(values.get(key), str) and values[key] and "://" not in values[key]:
                values[key] = os.fspath(path.parent / values[key])
    try:
        return kind(**values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in problem["loc"])
        if PREFIX + field.upper() in os.environ:
            file, field = "environment", PREFIX + field.upper()
        if problem["type"] == "extra_forbidden":
            raise ConfigError(file, field, problem["input"], "one of " + ", ".join(kind.model_fields)) from None
        value = None if problem["type"] == "missing" else problem["input"]
        expected = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise ConfigError(file, field, value, "a value (it is required)" if value is None else expected) from None
    except ValueError as error:  # such as a list in the environment that is no JSON
        raise ConfigError(file, "(values)", str(error), "valid settings") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_secret(path: Path, field: str, most: int = 4096) -> str:
    """A secret's text. ConfigError when it cannot be read, is empty, or others may read it; never with the secret in it."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(most).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(path, field, str(path), f"a file that can be read ({reason})") from None
    if mode & 0o077:
        raise ConfigError(path, "mode", f"{mode:04o}", "0600: nobody else may read a secret")
    if not text:
        raise ConfigError(path, field, "", "a secret")
    return text
