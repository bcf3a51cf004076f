"""A scheme's own certificate authority: who the broker is to its devices, and who each device is to the broker.

    authority = Authority(state / "tls")          made at the first call, the same one ever after
    authority.server(["broker.example"])          the broker's certificate: 127.0.0.1, localhost and the names given
    authority.client("tag-000001")                a device's or service's: its name is the certificate's common name

Elliptic curves (P-256), for what a microcontroller can do in a fraction of a second. Everything lies in one folder: NAME.crt,
and NAME.key of mode 0600, which never leaves it but into a device's key slot; nothing here logs.

Certificates begin in 1970: a device without a clock (after a flat battery, before its first fix) believes that it is 1970 or
2000, and where its port checks dates it must reach the broker even so. They end; each call makes a new one, with a new key,
when too little is left (RENEW_DAYS). Whoever holds the authority's key can be anybody: guard it like the fleet key. Where
ca.key is kept on another machine, what was issued can be used here and nothing issued; `request`, `sign` and `accept` then go
to and fro, and no key but that of the request's own ever leaves its machine.
"""

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import ConfigError
from .process import write_secret
from .users import check_level

NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
CA_DAYS = 20 * 365  # outlives every certificate that it signs; below 2050, where the form of dates changes
SERVER_DAYS = 397
CLIENT_DAYS = 3 * 365
# A tag fitted today is worn up to 400 days (the longest lease), and gets its next certificate on the bench.
RENEW_DAYS = {"server": 30, "client": 400}
ALWAYS = ("127.0.0.1", "localhost")
_CA = "ca"
_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as files in PEM. `certificate_der` and `key_der` are what a device is given."""

    certificate_file: Path
    key_file: Path

    @property
    def certificate(self) -> x509.Certificate:
        return _certificate(self.certificate_file)

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_der(self) -> bytes:
        return _key(self.key_file).private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class Authority:
    """The authority of a folder (mode 0700), made when there is none. ConfigError when what is there cannot be used."""

    def __init__(self, folder: Path, scheme: str = "homeward") -> None:
        self.folder = Path(folder).absolute()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own = Identity(self.folder / f"{_CA}.crt", self.folder / f"{_CA}.key")
        with self._locked():
            if not self._own.certificate_file.exists():
                self._make_own(scheme)
        self._own_certificate = self._own.certificate
        self._own_key = _key(self._own.key_file) if self._own.key_file.exists() else None
        if self._own_key is not None and self._own_key.public_key() != self._own_certificate.public_key():
            raise ConfigError(self._own.key_file, "key", "(hidden)", "the key of ca.crt")

    @property
    def certificate_file(self) -> Path:
        """What everybody may know: by it a broker's, bridge's or device's certificate is verified."""
        return self._own.certificate_file

    @property
    def certificate(self) -> x509.Certificate:
        return self._own_certificate

    @property
    def certificate_der(self) -> bytes:
        return self._own_certificate.public_bytes(Encoding.DER)

    @property
    def can_issue(self) -> bool:
        """Whether its key is here."""
        return self._own_key is not None

    def issued(self) -> dict[str, Identity]:
        """Name → certificate of everybody whose certificate lies here."""
        files = sorted(path for path in self.folder.glob("*.crt") if path.stem != _CA)
        return {path.stem: Identity(path, path.with_suffix(".key")) for path in files}

    def server(self, names: Sequence[str] = (), *, renew: bool = False) -> Identity:
        """The broker's, for 127.0.0.1, localhost and these names and addresses. A new one when the names differ."""
        wanted = [_general_name(name) for name in dict.fromkeys((*ALWAYS, *names))]
        return self._identity("server", "broker", SERVER_DAYS, _SERVER, x509.SubjectAlternativeName(wanted), renew)

    def client(self, name: str, *, renew: bool = False) -> Identity:
        """A device's or a service's. ConfigError when the name is none."""
        check_level("name", name)
        if name in (_CA, "broker") or name.startswith(("-", ".")):
            raise ConfigError("certificate", "name", name, "the name of a device or service")
        return self._identity("client", name, CLIENT_DAYS, _CLIENT, None, renew)

    # Where the authority's key is elsewhere.

    def request(self, name: str) -> Path:
        """A new key, which stays here, and a request for its certificate, to be signed elsewhere: the request's file."""
        check_level("name", name)
        with self._locked():
            waiting = self.folder / f"{name}.csr"
            key = ec.generate_private_key(ec.SECP256R1())
            request = x509.CertificateSigningRequestBuilder().subject_name(_common_name(name)).sign(key, hashes.SHA256())
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_secret(self.folder / f"{name}.new.key", pem.decode("ascii"))
            write_secret(waiting, request.public_bytes(Encoding.PEM).decode("ascii"))
        return waiting

    def sign(self, pem: bytes, names: Sequence[str] = ()) -> tuple[str, bytes]:
        """A request's name, and its certificate in PEM. `names`: what a broker is reached by, beside 127.0.0.1 and localhost;
        the request's name says whether it is a broker's. ConfigError when it is no request, or its signature is another's."""
        try:
            request = x509.load_pem_x509_csr(pem)
            name = str(request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        except (ValueError, IndexError):
            raise ConfigError("request", "form", "(not shown)", "a certificate request in PEM with a common name") from None
        public = request.public_key()
        if not request.is_signature_valid or not isinstance(public, ec.EllipticCurvePublicKey):
            raise ConfigError("request", "signature", name, "one made with the request's own key, on an elliptic curve")
        check_level("name", name)
        if name == _CA:
            raise ConfigError("request", "name", name, "the name of a device, a service or the broker")
        if name == "broker":
            alternatives = x509.SubjectAlternativeName([_general_name(each) for each in dict.fromkeys((*ALWAYS, *names))])
            certificate = self._certify(name, public, SERVER_DAYS, _SERVER, alternatives)
        else:
            certificate = self._certify(name, public, CLIENT_DAYS, _CLIENT, None)
        return name, certificate.public_bytes(Encoding.PEM)

    def accept(self, pem: bytes) -> Identity:
        """The certificate that a request of ours came back with. ConfigError when it is not the authority's, or no request of
        ours waits for it."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            certificate.verify_directly_issued_by(self._own_certificate)
            name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            check_level("name", name)
        except (ValueError, TypeError, IndexError, InvalidSignature):
            raise ConfigError("certificate", "issuer", "(not shown)", "a certificate in PEM of this scheme's authority") from None
        with self._locked():
            new_key, waiting = self.folder / f"{name}.new.key", self.folder / f"{name}.csr"
            if not new_key.exists() or _key(new_key).public_key() != certificate.public_key():
                raise ConfigError("certificate", "name", name, "the answer to a request that was made here (homeward ca request)")
            identity = Identity(self.folder / f"{name}.crt", self.folder / f"{name}.key")
            os.replace(new_key, identity.key_file)
            write_secret(identity.certificate_file, certificate.public_bytes(Encoding.PEM).decode("ascii"))
            waiting.unlink(missing_ok=True)
        return identity

    # How.

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Two programs may ask for the same certificate at once.
        with open(os.open(self.folder / "lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _identity(
        self,
        role: str,
        name: str,
        days: int,
        usage: x509.ExtendedKeyUsage,
        names: x509.SubjectAlternativeName | None,
        renew: bool,
    ) -> Identity:
        identity = Identity(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        with self._locked():
            if renew or not self._is_good(identity, RENEW_DAYS[role], names):
                key = ec.generate_private_key(ec.SECP256R1())
                _write(identity, key, self._certify(name, key.public_key(), days, usage, names))
        return identity

    def _certify(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        days: int,
        usage: x509.ExtendedKeyUsage,
        names: x509.SubjectAlternativeName | None,
    ) -> x509.Certificate:
        if self._own_key is None:
            expected = f"the authority's key, to issue {name!r}: it is kept elsewhere (homeward ca request, or ca kit)"
            raise ConfigError(self._own.key_file, "key", "no such file", expected)
        builder = (
            _builder(_common_name(name), self._own_certificate.subject, public, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._own_key.public_key()), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._own_key, hashes.SHA256())

    def _is_good(self, identity: Identity, left_days: int, names: x509.SubjectAlternativeName | None) -> bool:
        if not identity.certificate_file.exists() or not identity.key_file.exists():
            return False
        certificate = identity.certificate
        try:
            certificate.verify_directly_issued_by(self._own_certificate)
        except Exception:  # of whatever kind: it is not ours, or broken
            return False
        if names is not None and certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value != names:
            return False
        if certificate.public_key() != _key(identity.key_file).public_key():
            return False  # the power went between the two files
        return certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=left_days)

    def _make_own(self, scheme: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _common_name(f"{scheme} authority")
        certificate = (
            _builder(subject, subject, key.public_key(), CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(self._own, key, certificate)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
    )


def _key_usage(**on: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        if not name or set(name) & set(" */:@"):
            raise ValueError
        return x509.DNSName(name)
    except ValueError:
        raise ConfigError("certificate", "name of the broker", name, "a host name or an address") from None


def _write(identity: Identity, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    # The key first: a certificate whose key is not here is of no use.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_secret(identity.key_file, pem.decode("ascii"))
    write_secret(identity.certificate_file, certificate.public_bytes(Encoding.PEM).decode("ascii"))


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(path, "certificate", str(path), f"a certificate in PEM ({type(error).__name__})") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(path, "key", "(hidden)", f"a key in PEM without a password ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(path, "key", "(hidden)", "a key on an elliptic curve")
    return key
