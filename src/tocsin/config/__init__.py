"""The one place of settings: declared in `tables`, read by `load`, documented by `doc`."""

from tocsin.config.doc import doc_markdown, doc_toml
from tocsin.config.load import Loaded, Misconfigured, load, value_of
from tocsin.config.secret import Secret
from tocsin.config.settings import Setting, as_toml, settings
from tocsin.config.tables import (
    Accept,
    Config,
    Gateway,
    Http,
    Inbox,
    Keys,
    Log,
    Logging,
    Route,
    Store,
)

__all__ = [
    "Accept",
    "Config",
    "Gateway",
    "Http",
    "Inbox",
    "Keys",
    "Loaded",
    "Log",
    "Logging",
    "Misconfigured",
    "Route",
    "Secret",
    "Setting",
    "Store",
    "as_toml",
    "doc_markdown",
    "doc_toml",
    "load",
    "settings",
    "value_of",
]
