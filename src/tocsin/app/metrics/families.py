"""Every metric of the engine: its name, kind, labels and meaning, once."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Family(NamedTuple):
    """One metric. Counters are shown with the ending ``_total``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


AUDIT_FAMILY: Final = Family(
    "tocsin_audit_violations",
    "gauge",
    "Events and deliveries of the last hour that the audit cannot account for.",
)

FAMILIES: Final = (
    Family(
        "tocsin_events_accepted",
        "counter",
        "Events accepted: durable and answered, once for each lane that takes them.",
        ("lane",),
    ),
    Family("tocsin_events_refused", "counter", "Events refused because of what they hold."),
    Family(
        "tocsin_events_duplicate",
        "counter",
        "Events answered as duplicates at once; later ones are plans with the outcome alias.",
    ),
    Family(
        "tocsin_accept_waiting", "gauge", "Requests that wait for room in the lane of their events."
    ),
    Family(
        "tocsin_accept_overloaded",
        "counter",
        "Requests refused because more came than could be decided soon.",
    ),
    Family(
        "tocsin_plans",
        "counter",
        "Input records that were decided, by what they came to.",
        ("lane", "outcome"),
    ),
    Family(
        "tocsin_deliveries_settled",
        "counter",
        "Deliveries that came to an end, also those that were never sent (suppressed).",
        ("channel", "lane", "state"),
    ),
    Family(
        "tocsin_delivery_seconds",
        "histogram",
        "Time from accepting an event until its message is visible in the inbox, or a provider"
        " has taken it.",
        ("channel", "lane"),
    ),
    Family(
        "tocsin_provider_breakers_open",
        "gauge",
        "Breakers of a provider that keep calls from it: 1, or one for each host that fails.",
        ("provider", "lane"),
    ),
    Family(
        "tocsin_provider_breaker_openings",
        "counter",
        "How often a breaker has opened, since its provider failed.",
        ("provider", "lane"),
    ),
    Family(
        "tocsin_provider_waits",
        "counter",
        "Messages that had to wait in hand until their provider could be given them.",
        ("provider", "lane"),
    ),
    Family(
        "tocsin_deliveries_parked",
        "counter",
        "Deliveries that were put aside as timers, since their provider could not be called.",
        ("channel", "lane", "reason"),
    ),
    Family(
        "tocsin_failovers",
        "counter",
        "Deliveries that went on to the next provider, by the one that had not taken them.",
        ("provider", "lane"),
    ),
    Family(
        "tocsin_provider_share",
        "gauge",
        "How much of its usual part a provider is given: below 1 while it is slow or fails.",
        ("provider",),
    ),
    Family(
        "tocsin_provider_share_moves",
        "counter",
        "How often that has changed; each move is in the audit trail.",
        ("provider",),
    ),
    Family(
        "tocsin_addresses_kept",
        "counter",
        "Addresses that a provider called dead and that stay, since it called too many so.",
        ("provider",),
    ),
    Family(
        "tocsin_backlog_records",
        "gauge",
        "Records that a reader of the log has not yet handled.",
        ("reader", "lane"),
    ),
    Family(
        "tocsin_backlog_age_seconds",
        "gauge",
        "Age of the oldest record that a reader of the log has not yet handled; 0 without any.",
        ("reader", "lane"),
    ),
    Family(
        "tocsin_dead_letters",
        "counter",
        "Deliveries that failed for good, and records that could not be decided (reason poison).",
        ("lane", "channel", "reason"),
    ),
    Family(
        "tocsin_dead_letters_waiting",
        "gauge",
        "Dead letters that nobody has replayed or discarded.",
        ("lane", "channel", "reason"),
    ),
    Family(
        "tocsin_pauses",
        "gauge",
        "Pauses in force, by what they name; a label that is empty is not named.",
        ("lane", "channel", "workflow", "provider"),
    ),
    Family(
        "tocsin_store_commit_seconds",
        "histogram",
        "Time of a group's transaction, its sync to the disk included.",
        ("file",),
    ),
    Family(
        "tocsin_store_operations",
        "counter",
        "Operations in committed groups; divided by the commits, the size of a group.",
        ("file",),
    ),
    Family(
        "tocsin_store_operations_rejected",
        "counter",
        "Operations that were undone alone.",
        ("file",),
    ),
    Family("tocsin_store_queue", "gauge", "Operations that wait for their group.", ("file",)),
    Family(
        "tocsin_store_full",
        "gauge",
        "1 while writes are refused because the disk has no room.",
        ("file",),
    ),
    Family(
        "tocsin_store_wal_frames", "gauge", "Pages in the write-ahead log of a file.", ("file",)
    ),
    Family(
        "tocsin_store_checkpoints",
        "counter",
        "Checkpoints, by how they ended: passive, restart, truncation or refused.",
        ("file", "how"),
    ),
    Family(
        "tocsin_kept_removed",
        "counter",
        "Rows and records that retention has removed.",
        ("store",),
    ),
    Family("tocsin_kept_removed_bytes", "counter", "Bytes of the log that retention has removed."),
    Family(
        "tocsin_kept_oldest_seconds",
        "gauge",
        "Age of the oldest record that the log holds, as of the last round of retention.",
        ("topic",),
    ),
    Family(
        "tocsin_reader_lag_share",
        "gauge",
        "Age of the oldest record that any reader has not handled, as a share of the log's time to"
        " keep. Nothing is removed before it is handled: above 0.5 the disk begins to fill.",
    ),
    Family("tocsin_disk_free_bytes", "gauge", "Room on the disk of the data folder."),
    Family(
        "tocsin_status_webhook_calls",
        "counter",
        "Calls to status webhooks, by how they ended: taken or failed.",
        ("outcome",),
    ),
    Family(
        "tocsin_status_webhooks_given_up",
        "counter",
        "Status webhooks that were disabled since nobody took what they were told.",
    ),
    Family(
        "tocsin_status_webhook_errors",
        "counter",
        "How often telling an endpoint broke off by a mistake of Tocsin's own, which the log names:"
        " status_webhook_broken. It is told again a minute later.",
    ),
    Family(
        "tocsin_disk_level",
        "gauge",
        "How low the room is: 1 below store.free_low_percent, 2 bulk is not accepted, 3 nothing is.",
    ),
    Family("tocsin_sockets_open", "gauge", "Open sockets of recipients' clients."),
    Family("tocsin_socket_messages", "counter", "Messages sent over sockets."),
    Family(
        "tocsin_loop_lag_seconds",
        "histogram",
        "How late the event loop comes to what is due: what every request waits.",
    ),
)
