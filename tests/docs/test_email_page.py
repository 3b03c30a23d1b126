"""What the page about email shows works as it is shown."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tocsin.channels.email import CHANNEL
from tocsin.channels.email.smtp.settings import SmtpSettings
from tocsin.config import decode_table, doc_markdown, doc_toml, load
from tocsin.domain.workflow import compile_workflow
from tocsin.domain.workflow_read import read_document
from tocsin.wiring.channels import check_providers, provider_sections

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/howto/email.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_configuration_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.toml"
    path.write_text(BLOCKS[0], "utf-8")
    variable = re.search(r"`(TOCSIN_PROVIDERS__SMTP__\w+)`", PAGE)
    assert variable is not None
    config = load(path, {variable[1]: "canary"}).config
    check_providers(config)
    settings = decode_table(config.providers["smtp"], "providers", SmtpSettings)
    assert settings.password is not None
    assert settings.password.reveal() == "canary"


def test_the_step_can_be_published() -> None:
    document = {"key": "order.shipped", **tomllib.loads(BLOCKS[1])}
    (step,) = compile_workflow(read_document(document), 1).steps
    assert set(step.fields) == {"subject", "preheader", "html", "reply_to"}


def test_every_field_of_a_step_is_explained() -> None:
    explained = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert CHANNEL.content_fields() <= explained


def test_the_tables_of_providers_are_documented() -> None:
    found = provider_sections()
    assert {"providers.smtp", "providers.webhook"} <= {section.table for section in found}
    page, file = doc_markdown(found), doc_toml(found)
    assert "| `host`<br>`TOCSIN_PROVIDERS__SMTP__HOST` | needed |" in page
    # Nothing of it is configured by a file that was left as it is.
    assert "providers" not in tomllib.loads(file)
    bare = "".join(line.removeprefix("# ") for line in file.splitlines(keepends=True))
    assert "\n[providers.smtp]\n" in bare


def test_the_step_with_attachments_can_be_published() -> None:
    block = next(each for each in BLOCKS if "steps.attachments" in each)
    (step,) = compile_workflow(read_document({"key": "invoice", **tomllib.loads(block)}), 1).steps
    assert [each.content_id for each in step.attachments] == [None, "logo"]
