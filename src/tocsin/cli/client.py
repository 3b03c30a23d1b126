"""
How commands talk to a server: through the socket in its data folder, or over HTTP.

The standard library's client on purpose: a command makes one or two requests and ends, and each
import is time that someone waits.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import click
import msgspec

from tocsin.cli.exits import CannotReach, ServerRefused
from tocsin.config import Secret

Command = TypeVar("Command", bound=Callable[..., Any])
Body = bytes | Iterable[bytes]

ADMIN_SOCKET: Final = "admin.sock"
ADDRESS_FILE: Final = "address"
_TIMEOUT_S: Final = 60.0


class Reply(msgspec.Struct, frozen=True):
    """An answer below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded; None when it is empty."""
        return msgspec.json.decode(self.body) if self.body else None


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """
    One server, named by *url* with *key*, or else by the data folder of a local one.

    The socket in the folder is open to its owner only, so a local command needs no key.
    """

    data: Path
    url: str | None = None
    key: Secret | None = None

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        document: object = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = _TIMEOUT_S,
    ) -> Reply:
        """
        Make one request with *document* as JSON, or *body* as it is, and wait for its answer.

        In *query*, None stands for "not given"; as *timeout_s* for "however long it takes".

        Raises:
            CannotReach: there is no answer; it is not known whether the request was handled.
            ServerRefused: the answer is a problem.

        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given, doseq=True)}" if given else path
        if document is not None:
            body = msgspec.json.encode(document)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key.reveal()}"
        reply = self._exchange(method, target, body, headers, timeout_s)
        if reply.status >= http.client.BAD_REQUEST:
            raise _refusal(reply, keyless=self.url is not None and self.key is None)
        return reply

    def address(self) -> str:
        """Return the server's URL, for what HTTP over its socket cannot carry."""
        if self.url is not None:
            return self.url
        try:
            return (self.data / ADDRESS_FILE).read_text().strip()
        except OSError as failed:
            raise CannotReach(self._advice(failed)) from failed

    def _exchange(
        self,
        method: str,
        target: str,
        body: Body | None,
        headers: Mapping[str, str],
        timeout_s: float | None,
    ) -> Reply:
        connection, prefix = self._connection(timeout_s)
        try:
            connection.request(method, prefix + target, body=body, headers=dict(headers))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException) as failed:
            raise CannotReach(self._advice(failed)) from failed
        finally:
            connection.close()

    def _connection(self, timeout_s: float | None) -> tuple[http.client.HTTPConnection, str]:
        if self.url is None:
            return _UnixConnection(self.data / ADMIN_SOCKET, timeout_s), ""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise click.UsageError("TOCSIN_URL must be like https://tocsin.example.com")
        prefix = parts.path.rstrip("/")
        if parts.scheme == "http":
            plain = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
            return plain, prefix
        secure = http.client.HTTPSConnection(
            parts.hostname,
            parts.port,
            timeout=timeout_s,
            context=ssl.create_default_context(),
        )
        return secure, prefix

    def _advice(self, failed: Exception) -> str:
        reason = getattr(failed, "strerror", None) or str(failed) or type(failed).__name__
        if self.url is not None:
            return (
                f"No answer from {self.url}: {reason}.\n"
                "Check TOCSIN_URL; without it, commands look for a local server."
            )
        return (
            f"No answer at {self.data / ADMIN_SOCKET}: {reason}.\n"
            f"Start a server with `tocsin up --data {self.data}`, name another folder with --data,"
            " or set TOCSIN_URL and TOCSIN_KEY."
        )


def api_path(*steps: str) -> str:
    """Return the path of the API below ``/v1``, whatever characters its steps are made of."""
    return "/v1/" + "/".join(quote(step, safe="") for step in steps)


def client_option(command: Command) -> Command:
    """Give *command* the option ``--data`` and, as its argument ``client``, a `Client`."""
    return click.option(
        "--data",
        "client",
        envvar="TOCSIN_DATA",
        default="./data",
        show_default=True,
        callback=_make_client,
        help="Data folder of a local server; TOCSIN_URL and TOCSIN_KEY name a remote one.",
    )(command)


def _make_client(ctx: click.Context, _: click.Parameter, data: str) -> Client:
    if data.startswith(("{", "[", "@")):
        raise click.BadParameter(
            "this names the data folder of a server; the data of a message goes with --payload"
        )
    # --data on the command line is more exact than what the environment says for every command.
    source = ctx.get_parameter_source("client")
    url = None if source is click.core.ParameterSource.COMMANDLINE else os.environ.get("TOCSIN_URL")
    key = os.environ.get("TOCSIN_KEY")
    return Client(
        data=Path(data),
        url=url or None,
        key=Secret(key) if url and key else None,
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost")
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))


def _refusal(reply: Reply, *, keyless: bool) -> ServerRefused:
    """The problem document in words; a proxy in between may have sent something else."""
    try:
        problem = msgspec.json.decode(reply.body, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem()
    said = problem.detail or problem.title or f"The server answered {reply.status}"
    fields = [(error.get("pointer", ""), error.get("detail", "")) for error in problem.errors]
    if [detail for _, detail in fields] == [said]:
        # One mistake may be told twice, as the detail and at its place; once is enough here.
        lines = [f"{pointer}: {said}" for pointer, _ in fields]
    else:
        lines = [said, *(f"  {pointer}: {detail}" for pointer, detail in fields)]
    if keyless and reply.status == http.client.UNAUTHORIZED:
        lines.append("TOCSIN_URL names a server, so set TOCSIN_KEY to one of its keys.")
    return ServerRefused("\n".join(lines), status=reply.status, code=problem.code)


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    code: str = "unknown"
    errors: tuple[dict[str, Any], ...] = ()
