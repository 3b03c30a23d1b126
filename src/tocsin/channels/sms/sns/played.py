"""The errors of both APIs as Amazon answers them: the status, and what each amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tocsin.ports.receipts import ReceiptState
from tocsin.ports.simulator import Dial

Errors = Mapping[str, tuple[int, Dial]]

TEXT_ERRORS: Final[Errors] = {
    "AccessDeniedException": (400, Dial.REFUSE),
    "ExpiredTokenException": (400, Dial.REFUSE),
    "IncompleteSignature": (400, Dial.REFUSE),
    "InvalidSignatureException": (400, Dial.REFUSE),
    "MissingAuthenticationToken": (403, Dial.REFUSE),
    "SignatureDoesNotMatch": (403, Dial.REFUSE),
    "UnrecognizedClientException": (400, Dial.REFUSE),
    "AccessDeniedException/ACCOUNT_DISABLED": (400, Dial.REFUSE),
    "AccessDeniedException/INSUFFICIENT_ACCOUNT_REPUTATION": (400, Dial.REFUSE),
    "ConflictException": (400, Dial.REFUSE),
    "ConflictException/DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": (400, Dial.REFUSE),
    "ConflictException/DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": (
        400,
        Dial.REFUSE,
    ),
    "ConflictException/DESTINATION_PHONE_NUMBER_NOT_VERIFIED": (400, Dial.REFUSE),
    "ConflictException/DESTINATION_PHONE_NUMBER_OPTED_OUT": (400, Dial.REFUSE),
    "ConflictException/MESSAGE_TYPE_MISMATCH": (400, Dial.REFUSE),
    "ConflictException/NO_ORIGINATION_IDENTITIES_FOUND": (400, Dial.REFUSE),
    "ConflictException/NUMBER_CAPABILITIES_MISMATCH": (400, Dial.REFUSE),
    "ConflictException/RESOURCE_NOT_ACTIVE": (400, Dial.REFUSE),
    "InternalServerException": (500, Dial.FAIL),
    "ResourceNotFoundException": (400, Dial.REFUSE),
    "ServiceQuotaExceededException": (400, Dial.REFUSE),
    "ServiceQuotaExceededException/MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT": (400, Dial.REFUSE),
    "ThrottlingException": (400, Dial.THROTTLE),
    "ValidationException": (400, Dial.REFUSE),
    "ValidationException/INVALID_PARAMETER/number": (400, Dial.DEAD_ADDRESS),
    "ValidationException/FIELD_VALIDATION_FAILED/number": (400, Dial.DEAD_ADDRESS),
    "ValidationException/COUNTRY_CODE_MISMATCH": (400, Dial.REFUSE),
    "ValidationException/COUNTRY_NOT_ENABLED": (400, Dial.REFUSE),
    "ValidationException/DESTINATION_COUNTRY_BLOCKED": (400, Dial.REFUSE),
    "ValidationException/INTERNATIONAL_SENDING_NOT_SUPPORTED": (400, Dial.REFUSE),
    "ValidationException/INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": (400, Dial.REFUSE),
    "ValidationException/MAXIMUM_SIZE_EXCEEDED": (400, Dial.REFUSE),
    "ValidationException/PRICE_OVER_THRESHOLD": (400, Dial.REFUSE),
    "ValidationException/SENDER_ID_NOT_REGISTERED": (400, Dial.REFUSE),
    "ValidationException/SENDER_ID_NOT_SUPPORTED": (400, Dial.REFUSE),
    "ValidationException/SENDER_ID_REQUIRES_REGISTRATION": (400, Dial.REFUSE),
}
"""Of End User Messaging: the type, and what else its JSON says."""

PUBLISH_ERRORS: Final[Errors] = {
    "AccessDeniedException": (400, Dial.REFUSE),
    "ExpiredTokenException": (400, Dial.REFUSE),
    "IncompleteSignature": (400, Dial.REFUSE),
    "InvalidSignatureException": (400, Dial.REFUSE),
    "MissingAuthenticationToken": (403, Dial.REFUSE),
    "SignatureDoesNotMatch": (403, Dial.REFUSE),
    "UnrecognizedClientException": (400, Dial.REFUSE),
    "AuthorizationError": (403, Dial.REFUSE),
    "EndpointDisabled": (400, Dial.DEAD_ADDRESS),
    "InternalError": (500, Dial.FAIL),
    "InternalFailure": (500, Dial.FAIL),
    "InvalidClientTokenId": (403, Dial.REFUSE),
    "InvalidParameter": (400, Dial.REFUSE),
    "InvalidParameter/number": (400, Dial.DEAD_ADDRESS),
    "InvalidSecurity": (403, Dial.REFUSE),
    "KMSAccessDenied": (400, Dial.REFUSE),
    "KMSDisabled": (400, Dial.REFUSE),
    "KMSInvalidState": (400, Dial.REFUSE),
    "KMSNotFound": (400, Dial.REFUSE),
    "KMSOptInRequired": (403, Dial.REFUSE),
    "KMSThrottling": (400, Dial.THROTTLE),
    "NotFound": (404, Dial.REFUSE),
    "OptedOut": (400, Dial.REFUSE),
    "ParameterValueInvalid": (400, Dial.REFUSE),
    "ParameterValueInvalid/number": (400, Dial.DEAD_ADDRESS),
    "PlatformApplicationDisabled": (400, Dial.REFUSE),
    "RequestExpired": (400, Dial.REFUSE),
    "ServiceUnavailable": (503, Dial.FAIL),
    "Throttled": (429, Dial.THROTTLE),
    "Throttling": (400, Dial.THROTTLE),
    "ThrottlingException": (400, Dial.THROTTLE),
    "UserError": (400, Dial.REFUSE),
    "ValidationException": (400, Dial.REFUSE),
}
"""Of SNS."""


class Api(NamedTuple):
    """One of the two: its errors, and which of them stands for what is dialled."""

    errors: Errors
    by_dial: Mapping[Dial, str]


TEXT_API: Final = Api(
    TEXT_ERRORS,
    {
        Dial.REFUSE: "ValidationException",
        Dial.DEAD_ADDRESS: "ValidationException/INVALID_PARAMETER/number",
        Dial.THROTTLE: "ThrottlingException",
        Dial.FAIL: "InternalServerException",
    },
)
PUBLISH_API: Final = Api(
    PUBLISH_ERRORS,
    {
        Dial.REFUSE: "InvalidParameter",
        Dial.DEAD_ADDRESS: "InvalidParameter/number",
        Dial.THROTTLE: "Throttled",
        Dial.FAIL: "InternalError",
    },
)
EVENTS: Final = {
    ReceiptState.DELIVERED: "TEXT_DELIVERED",
    ReceiptState.FAILED: "TEXT_UNREACHABLE",
}
