"""An independent mail server takes our letters: Exim, from the system's packages."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from tests.conftest import ABSENT
from tests.support.certificates import Certificate, make_certificate
from tocsin.channels.email import CHANNEL
from tocsin.channels.email.smtp.opening import Opener
from tocsin.channels.email.smtp.provider import Smtp, tls_of
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.channels.email.writing.dkim import DkimKey
from tocsin.config import Secret
from tocsin.ports.message import Attachment, Message
from tocsin.ports.outcomes import Accepted, ProviderOutcome, ProviderReason, Refused, TryLater

NOW_MS = 1_900_000_000_000
SIGNED_MS = 1_700_000_000_000
"""Signatures of the future are not believed."""
READY_LIMIT_S = 20
CONFIGURATION = """
TB = {folder}
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = TB/spool
log_file_path = TB/log/%slog
primary_hostname = mx.tocsin.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
never_users =
tls_advertise_hosts = *
tls_certificate = TB/certificate.pem
tls_privatekey = TB/key.pem
dsn_advertise_hosts = *
smtp_accept_max = 200
smtp_accept_max_per_connection = 3
smtp_enforce_sync = true
message_size_limit = 200K
log_selector = +smtp_connection +pipelining
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
deny message = 550 5.1.1 no such user
  local_parts = unknown
defer message = 451 4.7.1 greylisted
  local_parts = grey
accept authenticated = *
deny message = 530 5.7.0 authentication required
begin routers
local:
  driver = accept
  transport = mdir
begin transports
mdir:
  driver = appendfile
  maildir_format
  directory = TB/mail/sink
  create_directory
  user = Debian-exim
begin retry
* * F,2m,2s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{tocsin}}}}{{eq{{$auth3}}{{pw}}}}}}}}
"""


class Exim:
    """A running server on a folder of its own."""

    def __init__(self, folder: Path, port: int, certificate: Certificate) -> None:
        self.folder = folder
        self.port = port
        self.certificate = certificate

    def letters(self) -> list[bytes]:
        """Return what was delivered, in no order."""
        return [each.read_bytes() for each in self.folder.glob("mail/sink/new/*")]

    async def until_delivered(self, count: int) -> list[bytes]:
        """Return what was delivered as soon as there are *count*."""
        deadline = time.monotonic() + READY_LIMIT_S
        while len(found := self.letters()) < count:
            assert time.monotonic() < deadline, (self.folder / "log" / "mainlog").read_text()
            await asyncio.sleep(0.02)  # house: allow sleep, another process tells nobody
        return found

    def log(self) -> str:
        return (self.folder / "log" / "mainlog").read_text()


@pytest.fixture(scope="module")
def exim() -> Iterator[Exim]:
    program = shutil.which("exim4", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or os.geteuid() != 0:
        pytest.skip(f"{ABSENT} exim4, and root to run it (apt-get install exim4-daemon-light)")
    # Not pytest's folder, which the server's own user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="tocsin-exim-"))
    folder.chmod(0o755)
    for name in ("spool", "log", "mail"):
        (folder / name).mkdir()
        shutil.chown(folder / name, "Debian-exim", "Debian-exim")
    certificate = make_certificate(folder, "127.0.0.1")
    shutil.chown(certificate.key, "Debian-exim", "Debian-exim")
    # It is given a socket that listens: a port that is only named may be somebody else's by then.
    listening = socket.create_server(("127.0.0.1", 0))
    port = int(listening.getsockname()[1])
    configuration = folder / "exim.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
    configuration.chmod(0o644)
    command = [program, "-C", str(configuration), "-bw"]
    process = subprocess.Popen(command, stdin=listening.fileno(), start_new_session=True)
    listening.close()
    try:
        _wait_ready(process, port)
        yield Exim(folder, port, certificate)
    finally:
        # Its children, too: they deliver into the folder.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while True:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=5) as probe:
                probe.noop()
                return
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)  # noqa: TID251  # house: allow sleep, another process tells nobody


@pytest.fixture
async def provider(exim: Exim) -> AsyncIterator[Smtp]:
    one = opened(exim)
    yield one
    await one.close()


def opened(exim: Exim, password: str = "pw", keys: Sequence[DkimKey] = ()) -> Smtp:
    settings = SmtpSettings(
        host="127.0.0.1",
        port=exim.port,
        ca_file=str(exim.certificate.certificate),
        username="tocsin",
        password=Secret(password),
        from_address="shop@sender.test",
        from_name="Der Läden",
    )
    opener = Opener(settings, "sender.test", tls_of(settings, "providers.smtp"))
    return Smtp(settings, "smtp", lambda: SIGNED_MS if keys else NOW_MS, opener, keys)


def message(n: int, address: str, body: str = "Ça marche, .\n.\n..\nFrom here") -> Message:
    content = CHANNEL.shape({"title": f"Grüße {n}", "body": body})
    link = "https://tocsin.example/u/abc"
    return Message(f"dlv_{n:040x}", address, content, category="news", unsubscribe=link)


async def send(provider: Smtp, one: Message) -> ProviderOutcome:
    (outcome,) = await provider.send([one])
    return outcome


async def test_letters_arrive_as_they_were_written(exim: Exim, provider: Smtp) -> None:
    before = len(exim.letters())
    for n in range(7):
        outcome = await send(provider, message(n, "ana@local.test"))
        assert isinstance(outcome, Accepted), outcome
        assert outcome.provider_id is not None
        assert outcome.provider_id in exim.log()
    letters = await exim.until_delivered(before + 7)
    for raw in letters:
        letter = email.message_from_bytes(raw, policy=email.policy.default)
        assert not letter.defects
        n = int(str(letter["Message-ID"])[5:45], 16)
        _check(letter, message(n, "ana@local.test"))
    # The server wants another connection after three letters; no letter pays for that.
    assert "P=esmtpsa" in exim.log()
    assert "pipelining" not in exim.log().lower().replace("pipelining on", "")


def _check(letter: EmailMessage, sent: Message) -> None:
    assert letter["To"] == sent.address
    assert letter["From"] == "Der Läden <shop@sender.test>"
    assert letter["Subject"] == sent.content.fields["subject"]
    assert letter["List-Unsubscribe"] == f"<{sent.unsubscribe}>"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = letter.get_body(("plain",))
    assert text is not None
    shown = text.get_content().replace("\r\n", "\n")
    assert shown.startswith(sent.content.fields["text"])


async def test_a_signature_holds_through_a_server_and_so_does_a_file(exim: Exim) -> None:
    private = rsa.generate_private_key(65_537, 2_048)
    provider = opened(exim, keys=[DkimKey("sender.test", "one", private)])
    file = Attachment("Rechnung für Ana.pdf", "application/pdf", bytes(range(256)) * 40)
    sent = message(300, "ana@local.test")
    sent = replace(sent, content=replace(sent.content, attachments=(file,)))
    before = len(exim.letters())
    assert isinstance(await send(provider, sent), Accepted)
    await provider.close()
    found = await exim.until_delivered(before + 1)
    (raw,) = [each for each in found if sent.reference.encode() in each]
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    # What the server has put before the letter is its own; lines in its mailbox end with LF alone.
    letter = raw.replace(b"\n", b"\r\n")

    def dns(name: bytes, timeout: int = 5) -> bytes:
        return record

    assert dkim.DKIM(letter).verify(dnsfunc=dns)
    read = email.message_from_bytes(raw, policy=email.policy.default)
    (attached,) = read.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (file.name, file.data)


async def test_an_unknown_user_is_a_dead_address(exim: Exim, provider: Smtp) -> None:
    outcome = await send(provider, message(100, "unknown@local.test"))
    assert outcome == Refused(ProviderReason.DEAD_ADDRESS, "rcpt: 550 5.1.1")
    # The connection goes on: the transaction that was left open is taken back.
    assert isinstance(await send(provider, message(101, "ana@local.test")), Accepted)


async def test_a_greylisted_letter_is_tried_later(exim: Exim, provider: Smtp) -> None:
    outcome = await send(provider, message(102, "grey@local.test"))
    assert isinstance(outcome, TryLater)
    assert (outcome.reason, outcome.known) == (ProviderReason.THROTTLED, True)
    assert outcome.after_ms == 5 * 60_000


async def test_a_wrong_password_is_ours_to_mend(exim: Exim) -> None:
    provider = opened(exim, "wrong")
    outcome = await send(provider, message(103, "ana@local.test"))
    assert isinstance(outcome, TryLater)
    assert (outcome.reason, outcome.known) == (ProviderReason.OUR_FAULT, True)
    await provider.close()


async def test_a_letter_that_is_too_large_is_not_sent(exim: Exim, provider: Smtp) -> None:
    outcome = await send(provider, message(104, "ana@local.test", "x" * 200_000))
    assert isinstance(outcome, Refused)
    assert outcome.reason is ProviderReason.TOO_LARGE


async def test_many_at_once_all_arrive(exim: Exim, provider: Smtp) -> None:
    before = len(exim.letters())
    async with asyncio.TaskGroup() as tasks:
        sending = [
            tasks.create_task(send(provider, message(n, "ana@local.test"))) for n in range(200, 260)
        ]
    assert [each.result() for each in sending if not isinstance(each.result(), Accepted)] == []
    await exim.until_delivered(before + 60)
