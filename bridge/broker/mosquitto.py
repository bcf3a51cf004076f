"""mosquitto (2.0, a Debian package) under the same interface, for tests and for operators who prefer it.

What a PUBACK means here: the message is in memory; it is on disk within AUTOSAVE_S. Killed in between, it is gone (measured:
0 of 500). Nothing is lost end to end, because devices send again what was not receipted, but it takes them a resend.

Access rules are those of `users`, written as an acl file; passwords are hashed by mosquitto_passwd, in place, so that none
stands on a command line. A client is known by its user name whatever client id it sends, so no session can be taken over. With
TLS the user is the common name of its certificate, whatever it says of itself in MQTT; who has a certificate and is no user may
connect here, which NATS refuses, and may do nothing.
"""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from .process import HOST, BrokerError, BrokerProcess, Tls, write_secret
from .users import User

__all__ = ("MosquittoBroker",)

AUTOSAVE_S = 5
# Messages on their way to one subscriber: the default of 20 throttles ingest.
MAX_INFLIGHT = 4000
# A bridge that is away for a night: 900 devices, a message a minute, 12 hours.
MAX_QUEUED = 700_000


class MosquittoBroker(BrokerProcess):
    """mosquitto on `folder` (configuration, store, log). See `BrokerProcess` for what it can do."""

    name = "mosquitto"

    @property
    def config(self) -> Path:
        return self.folder / "mosquitto.conf"

    def _command(self) -> list[str]:
        return [_find("mosquitto"), "-c", str(self.config)]

    def _write_config(self) -> None:
        if self.tls is None:
            self._write_passwords()
        write_secret(self.folder / "acl", acl_text(self.users))
        write_secret(self.config, config_text(self.folder, self.port, self.host, self.tls))

    def _write_passwords(self) -> None:
        passwords = self.folder / "passwords.new"
        write_secret(passwords, "".join(f"{user.name}:{user.password}\n" for user in self.users))
        try:
            if self.users:
                made = subprocess.run([_find("mosquitto_passwd"), "-U", str(passwords)], capture_output=True, check=False)
                if made.returncode:
                    raise BrokerError(f"mosquitto_passwd: {made.stderr.decode(errors='replace').strip()}")
            os.chmod(passwords, 0o600)
            os.replace(passwords, self.folder / "passwords")
        finally:
            passwords.unlink(missing_ok=True)


def _find(program: str) -> str:
    # Debian keeps it in /usr/sbin, which is not on every user's PATH.
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerError(f"{program} is missing: install it with `apt install mosquitto`, or use the broker that comes along")
    return found


def config_text(folder: Path, port: int, host: str = HOST, tls: Tls | None = None) -> str:
    """The configuration file."""
    if tls is None:
        who = [f"password_file {folder / 'passwords'}"]
    else:
        who = [
            f"cafile {tls.ca_file}",
            f"certfile {tls.certificate_file}",
            f"keyfile {tls.key_file}",
            "require_certificate true",
            "use_identity_as_username true",
            "tls_version tlsv1.2",  # and later ones
        ]
    lines = [
        "per_listener_settings false",
        f"listener {port} {host}",
        "allow_anonymous false",
        *who,
        f"acl_file {folder / 'acl'}",
        "use_username_as_clientid true",
        "persistence true",
        f"persistence_location {folder}/",
        "persistence_file store.db",
        f"autosave_interval {AUTOSAVE_S}",
        f"max_inflight_messages {MAX_INFLIGHT}",
        f"max_queued_messages {MAX_QUEUED}",
        f"log_dest file {folder / 'broker.log'}",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "set_tcp_nodelay true",
    ]
    if os.geteuid() == 0:
        # It would change to a user of its own, who may not read the files of ours.
        lines.append(f"user {pwd.getpwuid(0).pw_name}")
    return "\n".join(lines) + "\n"


def acl_text(users: tuple[User, ...]) -> str:
    """The acl file: who is not named in it may do nothing."""
    lines: list[str] = []
    for user in users:
        lines.append(f"user {user.name}")
        lines += [f"topic write {pattern}" for pattern in user.publish]
        lines += [f"topic read {pattern}" for pattern in user.subscribe]
        lines.append("")
    return "\n".join(lines)
