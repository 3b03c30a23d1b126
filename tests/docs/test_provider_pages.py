"""What each provider's page says to put into the configuration, tried in a sandbox."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest

from tests.cli.server import PATIENCE_S, environment, serving
from tests.docs.pages import ROOT

FOLDER = ROOT / "docs" / "howto" / "providers"
FENCE = re.compile(r"(?ms)^ *```toml\n(.*?)^ *```$")


def _tables() -> dict[str, str]:
    """Return what the pages say to write, by page; what stands above all tables is left out."""
    found = {}
    for page in sorted(FOLDER.glob("*.md")):
        fences = [fence.replace("\n   ", "\n") for fence in FENCE.findall(page.read_text())]
        tables = [fence for fence in fences if "[providers." in fence]
        found[page.stem] = tables[0][tables[0].index("[providers.") :]
    return found


@pytest.mark.timeout(600)
def test_a_sandbox_starts_with_what_every_page_says(tmp_path: Path) -> None:
    tables = _tables()
    config = tmp_path / "tocsin.toml"
    config.write_text("\n".join(tables.values()))
    env = environment(TOCSIN_CONFIG=str(config))
    with serving(tmp_path / "data", env=env) as server:
        key = (server.folder / "sandbox.key").read_text().strip()
        asked = urllib.request.Request(
            f"{server.address}/v1/providers", headers={"authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            shown = {each["name"]: each for each in json.load(answer)["items"]}
    assert {name.replace("-", "_") for name in tables} <= set(shown)
