"""
Who a played vendor proves to be: a certificate of an authority that only the sandbox trusts.

The authority is made once for each folder; nobody outside of the sandbox has reason to trust it,
and its own key is forgotten as soon as it has signed.
"""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_BEGIN: Final = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_END: Final = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_FOLDER: Final = "tls"
CLIENT: Final = "canary client"
"""The common name of the certificate that a client may show."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Files: what to trust, what a server shows, its key; what a client shows, its key with it."""

    authority: Path
    certificate: Path
    key: Path
    client: Path

    def server_context(self, *protocols: str) -> ssl.SSLContext:
        """Return what a server needs; *protocols* are what it offers by ALPN, the best first."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(list(protocols))
        return context


class Keeping:
    """Where a simulator's files are: its stage's folder, or one that goes when it is closed."""

    def __init__(self, log: Path | None) -> None:
        self._temporary = tempfile.TemporaryDirectory() if log is None else None
        base = Path(self._temporary.name) if self._temporary is not None else None
        self.folder = (base or _beside(log)) / _FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def proof(self, provider: str) -> Proof:
        """Return the proof of this vendor, made now unless it is there."""
        parts = ("ca", "cert", "key", "client")
        found = Proof(*(self.folder / f"{provider}-{part}.pem" for part in parts))
        if not found.certificate.exists():
            _make(found)
        return found

    def close(self) -> None:
        """Let go of what is temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()


def _beside(log: Path | None) -> Path:
    assert log is not None
    return log.parent


def _make(proof: Proof) -> None:
    root_key, key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root_name = _name("Tocsin sandbox")
    root = (
        _builder(root_name, root_name, root_key.public_key(), root_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(root_key, SHA256())
    )
    here = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    served = x509.SubjectAlternativeName(here)
    leaf, client = (
        _builder(_name(name), root_name, each.public_key(), root_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        for name, each in (("played vendor", key), (CLIENT, client_key))
    )
    _write_secret(proof.client, _pem(client_key) + _signed(client, root_key))
    _write_secret(proof.key, _pem(key))
    proof.authority.write_bytes(root.public_bytes(Encoding.PEM))
    # The last to be written: where it is, the others are whole.
    proof.certificate.write_bytes(_signed(leaf.add_extension(served, critical=False), root_key))


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_secret(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(identifier, critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
