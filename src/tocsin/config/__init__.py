"""The one place of settings: declared in `tables`, read by `load`, documented by `doc`."""

from tocsin.config.channel_tables import decode_routes, show_route
from tocsin.config.decode import check_said, decode_table, show_table
from tocsin.config.doc import doc_markdown, doc_toml
from tocsin.config.load import DEFAULT, Loaded, Misconfigured, load, value_of
from tocsin.config.logging_table import Logging
from tocsin.config.outbound import Outbound, StatusWebhookSettings
from tocsin.config.raw import RawTable
from tocsin.config.secret import Secret
from tocsin.config.settings import Setting, as_toml, settings
from tocsin.config.tables import (
    Accept,
    Config,
    Deliver,
    Gateway,
    Http,
    Inbox,
    Keys,
    Log,
    Route,
    Store,
)

__all__ = [
    "DEFAULT",
    "Accept",
    "Config",
    "Deliver",
    "Gateway",
    "Http",
    "Inbox",
    "Keys",
    "Loaded",
    "Log",
    "Logging",
    "Misconfigured",
    "Outbound",
    "RawTable",
    "Route",
    "Secret",
    "Setting",
    "StatusWebhookSettings",
    "Store",
    "as_toml",
    "check_said",
    "decode_routes",
    "decode_table",
    "doc_markdown",
    "doc_toml",
    "load",
    "settings",
    "show_route",
    "show_table",
    "value_of",
]
