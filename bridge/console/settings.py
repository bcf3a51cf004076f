"""What can be configured of the console: by environment variable (`HOMEWARD_CONSOLE_…`) or by the command line.

Where the map comes from: `tile_url` (the operator's own tiles, with their attribution) wins over `town`, a GeoJSON file of
streets, buildings, parks and water that the page draws itself; without either, the path in the store's settings is used.
"""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.errors import ConfigError


class ConsoleSettings(BaseSettings):
    """One run of the console. `access_key` is made afresh for every run unless it is given, and is never shown in a repr."""

    model_config = SettingsConfigDict(env_prefix="HOMEWARD_CONSOLE_", extra="forbid", frozen=True)

    store_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535, description="0 takes any free port")
    town: Path | None = None
    tile_url: str | None = None
    tile_attribution: str = ""
    access_key: str = Field(default_factory=lambda: secrets.token_urlsafe(24), min_length=16, repr=False)
    poll_ms: int = Field(default=250, ge=20, le=60_000)
    heartbeat_ms: int = Field(default=2_000, ge=50, le=60_000)
    client_queue: int = Field(default=64, ge=1, description="deltas that a slow browser may be behind before it is dropped")

    @field_validator("host")
    @classmethod
    def _stays_on_this_machine(cls, host: str) -> str:
        # One key in an address is no log-in: it is enough on the machine itself and for nothing beyond it.
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("127.0.0.1, ::1 or localhost (the console serves this machine alone)")
        return host

    @field_validator("tile_url")
    @classmethod
    def _is_a_tile_template(cls, url: str | None) -> str | None:
        if url and not all(part in url for part in ("{z}", "{x}", "{y}")):
            raise ValueError("an address with {z}, {x} and {y}, such as https://tiles.example.org/{z}/{x}/{y}.png")
        return url or None

    def tile_source(self) -> str | None:
        """The tiles' origin, as a Content-Security-Policy source; None when they come from this console or not at all."""
        if not self.tile_url:
            return None
        parts = urlsplit(self.tile_url.replace("{s}", "*"))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def make_settings(where: str = "console", **given: object) -> ConsoleSettings:
    """Settings from the environment and `given` (None means not given). ConfigError names the field and what was expected."""
    try:
        return ConsoleSettings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        expected = str(first["msg"]).removeprefix("Value error, ")
        shown = "(hidden)" if "key" in field else first["input"]
        raise ConfigError(where, field, shown, expected) from None
