"""What the program says to whoever started it."""

from __future__ import annotations

import sys
from pathlib import Path

from tocsin.config import Config
from tocsin.wiring.folder import SANDBOX_KEY_FILE


def announce(config: Config, folder: Path, port: int) -> None:
    """
    Say where the server is, where the key is, and lines that work when pasted.

    The key itself is never printed: what a program prints is kept in logs.
    """
    address = f"http://{config.http.host}:{port}"
    lines = [f"Tocsin is ready on {address}  (data in {folder}, {config.mode})"]
    if config.mode == "sandbox":
        key = folder / SANDBOX_KEY_FILE
        lines += [
            f"The key of this sandbox is in {key}. Try:",
            "",
            (
                f'  curl -s {address}/v1/send -H "Authorization: Bearer $(cat {key})"'
                ' -H "Content-Type: application/json"'
                """ -d '{"recipients": ["ana"], "content": {"title": "Hello", "body": "It works"}}'"""
            ),
            "",
            "and see what arrives in a browser (on a Mac: open):",
            "",
            f'  xdg-open "{address}/sandbox#key=$(cat {key})"',
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
