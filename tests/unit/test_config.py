"""Settings: declared once, read from four places, refused by name, never leaking a secret."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path

import msgspec
import pytest

from tocsin.config import (
    Config,
    Misconfigured,
    Secret,
    as_toml,
    doc_markdown,
    doc_toml,
    load,
    settings,
    value_of,
)
from tocsin.config.settings import expectation, sections

CANARY = "c4n4ry-of-a-key"


def written(folder: Path, text: str) -> Path:
    path = folder / "tocsin.toml"
    path.write_text(text, "utf-8")
    return path


def problems_of(path: Path | None, env: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(Misconfigured) as refused:
        load(path, env or {})
    return refused.value.problems


def test_without_anything_every_setting_has_its_default() -> None:
    loaded = load(None, {"PATH": "/bin"})
    assert loaded.config == Config()
    assert set(loaded.origins) == set(settings())
    assert not any(loaded.changed(name) for name in settings())


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[http]\nhost = '::1'\nport = 1\nrequests_max = 7\n")
    env = {"TOCSIN_HTTP__PORT": "2", "TOCSIN_HTTP__REQUESTS_MAX": "8"}
    loaded = load(path, env, {"http.port": 3, "data": None})
    assert (loaded.config.http.host, loaded.config.http.port) == ("::1", 3)
    assert loaded.config.http.requests_max == 8
    assert loaded.origins["http.host"] == f"file {path}"
    assert loaded.origins["http.requests_max"] == "environment"
    assert loaded.origins["http.port"] == "flag"
    assert loaded.origins["data"] == "default"


def test_a_duration_is_written_with_its_unit_and_read_in_milliseconds(tmp_path: Path) -> None:
    path = written(tmp_path, "[accept]\ndedup_window = '2d'\n")
    loaded = load(path, {"TOCSIN_HTTP__STOP_GRACE": "1m30s"})
    assert loaded.config.accept.dedup_window_ms == 172_800_000
    assert loaded.config.http.stop_grace_ms == 90_000


def test_a_list_in_the_environment_is_separated_by_commas() -> None:
    loaded = load(None, {"TOCSIN_HTTP__TRUSTED_PROXIES": "10.0.0.0/8, ::1"})
    assert loaded.config.http.trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[http]\nprot = 1", "http.prot (file F) is not a setting; did you mean http.port?"),
        ("mod = 'real'", "mod (file F) is not a setting; did you mean mode?"),
        ("[htpp]\n", "htpp (file F) is not a setting; did you mean http?"),
        ("http = 1", "http (file F) is not a setting; did you mean http?"),
        ("[qqq]\nzzz = 1", "qqq.zzz (file F) is not a setting; `tocsin config doc` lists"),
        ("[http]\nport = 65536", "http.port (file F) must be a whole number from 0 to 65535"),
        ("[http]\nport = true", "http.port (file F) must be a whole number from 0 to 65535"),
        ("[http]\nstop_grace = 5", "http.stop_grace (file F) must be a duration from 0s to 10m"),
        ("[http]\nstop_grace = '11m'", "http.stop_grace (file F) must be a duration from 0s to"),
        ("[http]\nstop_grace_ms = 5", "http.stop_grace_ms (file F) is not a setting"),
        ("[http]\nhost = ''", "http.host (file F) must be a text that is not empty"),
        ("mode = 'live'", 'mode (file F) must be one of "real", "sandbox"'),
        ("public_url = 'tocsin.example'", "public_url (file F) must be a text of the form"),
        ("[http]\nallowed_origins = [1]", "http.allowed_origins (file F) must be a list of texts"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    (found,) = problems_of(path)
    assert found.replace(str(path), "F").startswith(problem)


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("TOCSIN_HTTP__PROT", "1", "is not a setting; did you mean TOCSIN_HTTP__PORT?"),
        ("TOCSIN_HTTP_PORT", "1", "is not a setting; did you mean TOCSIN_HTTP__PORT?"),
        ("TOCSIN_HTTP__PORT", "many", "must be a whole number from 0 to 65535"),
        ("TOCSIN_ACCEPT__DEDUP_WINDOW", "86400", "must be a duration from 1m to 30d"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(variable: str, text: str, problem: str) -> None:
    assert problems_of(None, {variable: text}) == (f"{variable} (environment) {problem}",)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "[http]\nprot = 1\nhost = ''\n")
    assert len(problems_of(path, {"TOCSIN_MODE": "x"})) == 3


@pytest.mark.parametrize("variable", ["TOCSIN_URL", "TOCSIN_KEY", "TOCSIN_CONFIG"])
def test_what_commands_read_is_not_mistaken_for_a_setting(variable: str) -> None:
    assert load(None, {variable: "x"}).config == Config()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[http]\nevent_bytes_max = 131072\nrequest_bytes_max = 65536", "http.event_bytes_max"),
        ("[accept]\nevents_per_second = 10\nevents_burst = 9", "accept.events_burst is below"),
        ("[keys]\nencryption_key = 'a'\nencryption_key_file = 'b'", "keys.encryption_key and"),
        ("[http]\ntrusted_proxies = ['lb.local']", "http.trusted_proxies: 'lb.local'"),
    ],
)
def test_settings_that_contradict_one_another_are_refused(
    tmp_path: Path, text: str, problem: str
) -> None:
    (found,) = problems_of(written(tmp_path, text))
    assert found.startswith(problem)


def test_a_file_that_is_absent_or_no_toml_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    assert problems_of(absent) == (f"{absent} cannot be read: No such file or directory",)
    assert "is not TOML" in problems_of(written(tmp_path, "= 1"))[0]
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"data = '\xe9'")
    assert "is not TOML" in problems_of(latin)[0]


def test_a_secret_is_handed_on_and_never_shown() -> None:
    config = load(None, {"TOCSIN_KEYS__ENCRYPTION_KEY": CANARY}).config
    secret = config.keys.encryption_key
    assert secret is not None
    assert secret.reveal() == CANARY
    setting = settings()["keys.encryption_key"]
    shown = (repr(config), str(secret), f"{secret:>40}", f"{secret!r}", as_toml(setting, secret))
    assert not any(CANARY in str(text) for text in shown)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(config)
    with pytest.raises(TypeError):
        hash(secret)
    assert secret == Secret(CANARY)
    assert secret != CANARY


def test_a_refused_configuration_does_not_repeat_its_secret(tmp_path: Path) -> None:
    path = written(tmp_path, f"[keys]\nencryption_key = ['{CANARY}']\n")
    assert CANARY not in "".join(problems_of(path))


def test_the_documented_file_changes_nothing_when_its_comments_are_taken_away(
    tmp_path: Path,
) -> None:
    lines = doc_toml().splitlines()
    keys = {setting.key for setting in settings().values()}
    settled = [
        line.removeprefix("# ") if line[2:].split(" = ")[0] in keys and " = " in line else line
        for line in lines
        if not line.endswith(" =")
    ]
    path = written(tmp_path, "\n".join(settled))
    loaded = load(path, {})
    assert loaded.config == Config()
    unset = {name for name, setting in settings().items() if setting.default is None}
    assert {name for name in settings() if loaded.changed(name)} == set(settings()) - unset


def test_the_documented_file_is_toml_as_it_stands() -> None:
    assert set(tomllib.loads(doc_toml())) == {s.table for s in sections() if s.table}


@pytest.mark.parametrize("name", list(settings()))
def test_every_setting_is_documented_and_its_default_is_one_that_it_takes(name: str) -> None:
    setting = settings()[name]
    assert setting.description.endswith(".")
    assert expectation(setting)
    assert f"| `{setting.key}`<br>`{setting.variable}` |" in doc_markdown()
    assert value_of(Config(), setting) == setting.default
    # Bounds hold for defaults, too: msgspec checks them on decoding only.
    if setting.default is not None:
        msgspec.convert(setting.default, setting.annotation)


@pytest.mark.parametrize("name", list(settings()))
def test_a_number_is_bounded_on_both_sides(name: str) -> None:
    assert "None" not in expectation(settings()[name])
