"""What SES answers when something is wrong, and what it publishes, for its simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial


class Played(NamedTuple):
    """An error: the name that is said in a header, and its words."""

    status: int
    name: str
    message: str
    dial: Dial = Dial.REFUSE


def _refused(status: int, names: str, message: str) -> dict[str, Played]:
    return {name: Played(status, name, message) for name in names.split()}


ERRORS: Final[Mapping[str, Played]] = {
    **_refused(400, "LimitExceededException", "Too many instances of a resource."),
    **_refused(400, "AccountSuspendedException", "The account's ability to send was revoked."),
    **_refused(400, "SendingPausedException", "Sending is paused for this account."),
    **_refused(400, "MessageRejected", "Transaction blocked by content."),
    "MessageRejected/unverified": Played(
        400, "MessageRejected", "Email address is not verified. These identities failed the check."
    ),
    **_refused(400, "MailFromDomainNotVerifiedException", "The MAIL FROM domain is not verified."),
    **_refused(404, "NotFoundException", "Configuration set does not exist."),
    **_refused(400, "BadRequestException", "Expected ';', got an attribute."),
    "BadRequestException/address": Played(
        400, "BadRequestException", "Missing final '@domain'", Dial.DEAD_ADDRESS
    ),
    **_refused(
        403,
        "AccessDeniedException ExpiredTokenException IncompleteSignature SignatureDoesNotMatch"
        " InvalidSignatureException InvalidClientTokenId UnrecognizedClientException"
        " MissingAuthenticationToken OptInRequired RequestExpired",
        "The request is not authorized.",
    ),
    **_refused(401, "NotAuthorized", "You do not have permission."),
    **_refused(400, "ValidationError", "The input fails to satisfy the constraints."),
    **_refused(413, "RequestEntityTooLargeException", "The request entity is too large."),
    "TooManyRequestsException": Played(
        429, "TooManyRequestsException", "Maximum sending rate exceeded.", Dial.THROTTLE
    ),
    "ThrottlingException": Played(400, "ThrottlingException", "Rate exceeded", Dial.THROTTLE),
    "ThrottlingException/daily": Played(
        400, "ThrottlingException", "Daily message quota exceeded.", Dial.THROTTLE
    ),
    "InternalFailure": Played(500, "InternalFailure", "It failed.", Dial.FAIL),
    "InternalServiceErrorException": Played(
        500, "InternalServiceErrorException", "It failed.", Dial.FAIL
    ),
    "ServiceUnavailable": Played(503, "ServiceUnavailable", "It is not there.", Dial.FAIL),
}

BY_DIAL: Final[Mapping[Dial, str]] = {
    Dial.REFUSE: "MessageRejected",
    Dial.DEAD_ADDRESS: "BadRequestException/address",
    Dial.THROTTLE: "TooManyRequestsException",
    Dial.FAIL: "InternalFailure",
}

ENTRY_BY_DIAL: Final[Mapping[Dial, str]] = {
    Dial.REFUSE: "MESSAGE_REJECTED",
    Dial.DEAD_ADDRESS: "INVALID_PARAMETER",
}
"""What is said of one letter of several, where the others are taken all the same."""

SUPPRESSED: Final = ("Permanent", "OnAccountSuppressionList")
FATES: Final[Mapping[str, tuple[tuple[ReceiptState, tuple[str, str] | None], ...]]] = {
    "success": ((ReceiptState.DELIVERED, None),),
    "bounce": ((ReceiptState.FAILED, None),),
    "ooto": ((ReceiptState.DELIVERED, None),),
    "complaint": ((ReceiptState.DELIVERED, None), (ReceiptState.COMPLAINED, None)),
    "suppressionlist": ((ReceiptState.FAILED, SUPPRESSED),),
}
"""
What is reported of a letter to one of SES's own addresses for tries, by its name before any ``+``;
of a bounce its type and subtype, where these are not the usual ones.
"""
FOR_TRIES: Final = "@simulator.amazonses.com"

EVENTS: Final[Mapping[ReceiptState, tuple[str, Mapping[str, object]]]] = {
    ReceiptState.DELIVERED: (
        "delivery",
        {"processingTimeMillis": 546, "smtpResponse": "250 ok", "reportingMTA": "a.example"},
    ),
    ReceiptState.FAILED: (
        "bounce",
        {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": "somebody@example.test",
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": "smtp; 550 5.1.1 user unknown",
                }
            ],
            "feedbackId": "0100-000000",
        },
    ),
    ReceiptState.COMPLAINED: (
        "complaint",
        {
            "complainedRecipients": [{"emailAddress": "somebody@example.test"}],
            "complaintFeedbackType": "abuse",
            "complaintSubType": None,
        },
    ),
    ReceiptState.OPENED: ("open", {"ipAddress": "192.0.2.1", "userAgent": "Mail/1.0"}),
    ReceiptState.CLICKED: ("click", {"link": "https://example.test/", "linkTags": None}),
}
