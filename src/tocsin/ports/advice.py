"""What to do about what a provider said, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.ports.outcomes import ProviderReason

ADVICE: Final[Mapping[ProviderReason, tuple[str, str]]] = {
    ProviderReason.BAD_ADDRESS: (
        "it cannot send to such an address",
        "look at the address, and whether this provider reaches that country or kind of device",
    ),
    ProviderReason.DEAD_ADDRESS: (
        "it says that nobody is at this address any more",
        (
            "try another; when it says so of many, the credentials may belong to another app,"
            " project or environment than the addresses do"
        ),
    ),
    ProviderReason.BLOCKED: (
        "it does not let the message through to this recipient",
        "see at the vendor whether the recipient has opted out there or is on its blocklist",
    ),
    ProviderReason.BAD_CONTENT: (
        "it does not take what the message says",
        (
            "look up the code in the provider's page of the documentation, then change the workflow's"
            " step or its options"
        ),
    ),
    ProviderReason.TOO_LARGE: ("the message is too large for it", "shorten the step's text"),
    ProviderReason.OUR_FAULT: (
        "it refuses us: credentials, configuration or billing",
        (
            "look up the code in the provider's page of the documentation, and compare the settings"
            " with the vendor's console; messages are kept meanwhile"
        ),
    ),
    ProviderReason.UNANSWERED: (
        "the phone rang, or was busy, and nobody took the call",
        "call again at another time, or reach this person on another channel",
    ),
    ProviderReason.THROTTLED: (
        "it wants fewer messages",
        "set rate_per_second to what the vendor has granted, or ask it for more",
    ),
    ProviderReason.OVERLOADED: (
        "it failed itself",
        "see the vendor's status page; it is called again by and by",
    ),
    ProviderReason.UNREACHABLE: (
        "no connection to it comes about, so nothing was sent",
        (
            "see whether this machine may connect there: name server, firewall, outbound.proxy,"
            " outbound.allowed_networks, outbound.ports; where it says tls, whether the files that"
            " ca_file, outbound.ca_file and certificate_file name can be read and are the right"
            " ones, and the certificates have not run out"
        ),
    ),
    ProviderReason.TIMED_OUT: (
        "the connection broke or no answer came in time, so nobody knows whether it was taken",
        "see the vendor's status page and the way there; call_timeout says how long is waited",
    ),
}
"""For each reason what it means, and what to do next."""
