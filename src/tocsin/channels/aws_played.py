"""What simulators of Amazon's services share: whether a request is signed by the keys they know."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import urlsplit

from tocsin.channels.simulating_http import Request

KEY_ID: Final = "AKIASANDBOX0SANDBOX0"
SECRET: Final = "aws-secret-canary-91d2c07e55aa4b31f0"
REGION: Final = "eu-central-1"

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})\Z"
)


def aws_fault(request: Request, service: str) -> str | None:
    """Return the name of the error with which *request* is refused; None for one that is signed."""
    found = _AUTHORIZATION.match(request.headers.get("authorization", ""))
    if found is None:
        return "MissingAuthenticationToken"
    id, day, region, named, headers, signature = found.groups()
    if id != KEY_ID:
        return "UnrecognizedClientException"
    stamp = request.headers.get("x-amz-date", "")
    if named != service or not stamp.startswith(day) or "host" not in headers.split(";"):
        return "SignatureDoesNotMatch"
    target = urlsplit(request.target)
    canonical = [request.method, target.path, "&".join(sorted(target.query.split("&")))]
    canonical += [
        f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in headers.split(";")
    ]
    canonical += ["", headers, hashlib.sha256(request.body).hexdigest()]
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    wanted = f"AWS4{SECRET}".encode()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{day}/{region}/{service}/aws4_request\n{hashed}"
    for part in (day, region, service, "aws4_request", text):
        wanted = hmac.digest(wanted, part.encode(), "sha256")
    return None if hmac.compare_digest(wanted.hex(), signature) else "SignatureDoesNotMatch"
