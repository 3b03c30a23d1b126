"""Commands end with a code that means something, and load only what they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin import __version__
from tocsin.channels.chat.slack import SPEC
from tocsin.cli import COMMANDS, LazyGroup, exits, main
from tocsin.config import Misconfigured, settings
from tocsin.config.settings import section_of
from tocsin.errors import NotFound, TocsinError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == exits.DONE
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_where_the_table_says_and_explains_itself(name: str) -> None:
    group = LazyGroup(COMMANDS)
    command = group.get_command(group.make_context("tocsin", [], resilient_parsing=True), name)
    assert command is not None
    assert command.help


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == exits.DONE
    assert capsys.readouterr().out == f"{__version__}\n"


def test_an_unknown_command_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == exits.WRONG_USE
    assert "No such command 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (exits.CannotReach("away"), 3),
        (Misconfigured(["x"]), 2),
        (exits.ServerRefused("no such event", status=404, code="not_found"), 1),
        (exits.ServerRefused("bad", status=422, code="invalid"), 2),
        (exits.ServerRefused("who?", status=401, code="unauthenticated"), 2),
        (exits.ServerRefused("broken", status=500, code="internal_error"), 1),
        (NotFound("nothing"), 1),
    ],
)
def test_an_error_leads_to_its_code(failed: TocsinError, code: int) -> None:
    assert exits.of(failed) == code


def test_start_up_imports_neither_tables_nor_sockets() -> None:
    program = (
        "import sys; from tocsin.cli import main; main(['--version'])\n"
        "print(*(name for name in ('rich', 'websockets', 'tocsin.cli.client')"
        " if name in sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout
    assert ran.stderr.strip() == ""


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    gone, stdout = os.pipe()
    os.close(gone)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "tocsin", "config", "doc"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(stdout)
    assert ran.stderr == b""


class TestConfig:
    def test_check_says_yes_with_0(
        self, clean_environment: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["config", "check"]) == exits.DONE
        assert capsys.readouterr().out == "The configuration can be used.\n"

    def test_check_says_no_with_1_and_names_the_problem(
        self, clean_environment: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["config", "check", "--port", "70000", "--json"]) == exits.NO
        answer = json.loads(capsys.readouterr().out)
        assert answer["ok"] is False
        assert answer["problems"][0].startswith("http.port (flag)")

    def test_check_names_all_because_of_which_a_real_server_would_not_start(
        self, clean_environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "tocsin.toml"
        tables = '[providers.fcm]\n[providers.apns]\ntopics = ["a.b"]\n[providers.slack]\n'
        file.write_text(f'mode = "real"\n{tables}')
        assert main(["config", "check", "--config", str(file)]) == exits.NO
        said = capsys.readouterr().out
        assert "providers.fcm.service_account or providers.fcm.service_account_file" in said
        assert "providers.apns needs team_id" in said
        assert "keys.encryption_key_file" in said
        assert "slack" not in said

    def test_show_tells_the_origin_of_every_value(
        self, clean_environment: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["config", "show", "--port", "1234", "--json"]) == exits.DONE
        rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
        assert set(rows) == set(settings())
        assert rows["http.port"] == {"name": "http.port", "value": "1234", "origin": "flag"}
        assert rows["http.host"]["origin"] == "default"

    def test_show_as_a_table_holds_one_line_for_each_setting(
        self, clean_environment: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["config", "show"]) == exits.DONE
        names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
        assert names == list(settings())

    def test_show_tells_every_setting_of_the_providers_that_there_are(
        self, clean_environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "tocsin.toml"
        file.write_text(
            '[providers.slack]\nbot_token = "xoxb-canary-token"\nrate_per_second = 3.0\n'
        )
        shown = {}
        for more in ([], ["--changed"]):
            assert main(["config", "show", "--config", str(file), "--json", *more]) == exits.DONE
            text = capsys.readouterr().out
            assert "canary" not in text
            rows = {row["name"]: row for row in json.loads(text)}
            shown[tuple(more)] = {n: r for n, r in rows.items() if n.startswith("providers.")}
        declared = section_of("providers.slack", SPEC.settings).settings
        assert set(shown[()]) == {each.name for each in declared}
        assert set(shown["--changed",]) == {
            "providers.slack.bot_token",
            "providers.slack.rate_per_second",
        }
        token, rate = (
            shown[()][f"providers.slack.{key}"] for key in ("bot_token", "rate_per_second")
        )
        assert (token["value"], rate["value"]) == ('"***"', "3.0")
        assert str(file) in rate["origin"]
        assert shown[()]["providers.slack.burst"]["origin"] == "default"

    def test_show_of_a_wrong_configuration_is_wrong_use(
        self, clean_environment: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["config", "show", "--port", "70000"]) == exits.WRONG_USE
        assert "http.port (flag)" in capsys.readouterr().err


def test_the_data_of_a_message_is_not_taken_for_a_folder(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["trigger", "order.shipped", "--data", '{"order": 7}']) == exits.WRONG_USE
    assert "--payload" in capsys.readouterr().err
