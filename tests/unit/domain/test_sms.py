"""How many parts a text has: the limits of TS 23.038 and 23.040."""

from __future__ import annotations

import pytest

from tocsin.domain.sms import Segments, segments, shortened, unencodable

GRIN = "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        (GRIN * 35, 1),
        (GRIN * 36, 2),
        ("a" * 69 + GRIN, 2),
    ],
)
def test_the_parts_of_a_text(text: str, parts: int) -> None:
    assert segments(text).parts == parts


def test_a_part_does_not_end_within_a_character() -> None:
    # 306 septets fit into two parts, but not where an escape would be the 153rd.
    assert segments("a" * 306).parts == 2
    assert segments("a" * 152 + "€" + "a" * 152) == Segments("GSM-7", 306, 3)
    # 134 units fit into two parts, but not where a pair would begin at the 67th.
    assert segments("я" * 66 + GRIN + "я" * 66) == Segments("UCS-2", 134, 3)


def test_every_character_of_the_basic_table_has_one_septet_and_others_two() -> None:
    plain = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ÄÖÑÜ§¿äöñüà"
    assert segments(plain) == Segments("GSM-7", len(plain), 1)
    escaped = "\f^{}\\[~]|€"
    assert segments(escaped) == Segments("GSM-7", 2 * len(escaped), 1)


@pytest.mark.parametrize(
    "text", ["ç", "\u2019", "“", "–", "…", "`", "\t", "\x1b", "\u00a0", "á", "Я"]
)
def test_one_other_character_changes_the_encoding_of_all(text: str) -> None:
    assert segments("a" * 69 + text) == Segments("UCS-2", 70, 1)
    assert unencodable(f"it{text}s {text}") == text


def test_a_text_that_is_cut_stays_in_its_encoding() -> None:
    assert shortened("a" * 1_601, 1_600) == "a" * 1_597 + "..."
    assert shortened("a" * 1_600, 1_600) == "a" * 1_600
    assert segments(shortened("a" * 1_601, 1_600)).encoding == "GSM-7"
