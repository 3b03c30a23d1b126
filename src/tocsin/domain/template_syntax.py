"""
What a template may say.

The language is a small part of Jinja's::

    {{ data.order.number }}   {{ recipient.name | default("there") }}   {# a comment #}
    {% if data.total >= 100 and not data.paid %} … {% elif … %} … {% else %} … {% endif %}
    {% for item in data.items %} {{ loop.index }}. {{ item.name }} {% endfor %}

There is no arithmetic, no joining of strings, no assignment, no call and no include, since each of
them can make a text grow or reach what is none of its business. A template is parsed here and
written anew for minijinja: paths become variables that are looked up beforehand (minijinja would
find a Python list's methods, too), names of loop variables are ours, and a loop counts what it
puts out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from json import dumps
from typing import Final

from tocsin.domain.template_filters import FILTERS
from tocsin.domain.template_tokens import Lexer, Refusal

ROOTS: Final = ("data", "recipient", "actor", "tenant")
SOURCE_CHARACTERS_MAX: Final = 262_144
TAGS_MAX: Final = 2_000
DEPTH_MAX: Final = 8
_LITERAL_MAX: Final = 200

_TAG: Final = re.compile(r"\{\{|\{%|\{#")
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
_WORDS: Final = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "elif", "endif", "for", "endfor"}
    | {"true", "false", "none", "True", "False", "None"}
)
_LOOP_FIELDS: Final = frozenset({"index", "index0", "first", "last", "length"})
_ADDRESS: Final = re.compile(r"""(?:href|src|action|background)\s*=\s*["']\s*\Z""", re.IGNORECASE)
_UNQUOTED: Final = re.compile(r"<[^<>]*=\s*\Z")


@dataclass
class Parsed:
    """A checked template: parts for the fast way, source and variables for minijinja."""

    pieces: list[str | tuple[str, ...]] = field(default_factory=list)
    """Literal text and plain paths, in order; complete only when ``plain``."""
    plain: bool = True
    source: list[str] = field(default_factory=list)
    variables: dict[tuple[str, ...], str] = field(default_factory=dict)


def parse(source: str, *, html: bool = False) -> Parsed:
    """Check *source* and write it anew; raises `Refusal`."""
    if len(source) > SOURCE_CHARACTERS_MAX:
        raise Refusal(f"at most {SOURCE_CHARACTERS_MAX} characters are allowed", 0)
    if html and re.search(r"<\s*script", source, re.IGNORECASE):
        raise Refusal("scripts have no place in a message", 0)
    return _Parser(source, html).run()


class _Parser(Lexer):
    """Recursive descent over one template; each ``_read…`` returns minijinja source."""

    def __init__(self, source: str, html: bool) -> None:
        super().__init__(source)
        self._html = html
        self._parsed = Parsed()
        self._blocks: list[str] = []
        self._loops: list[dict[str, str]] = []
        self._depth = 0

    def run(self) -> Parsed:
        tags = 0
        while (tag := _TAG.search(self.source, self.at)) is not None:
            tags += 1
            if tags > TAGS_MAX:
                raise Refusal(f"at most {TAGS_MAX} tags are allowed", tag.start())
            self._put_text(self.source[self.at : tag.start()])
            self.at = tag.end()
            self._read_tag(tag.group(), tag.start())
        self._put_text(self.source[self.at :])
        if self._blocks:
            raise Refusal(f"end{self._blocks[-1]} is missing", len(self.source))
        return self._parsed

    # ---------------------------------------------------------------- tags

    def _put_text(self, text: str) -> None:
        if not text:
            return
        self._parsed.pieces.append(text)
        if self._loops:
            self._parsed.source.append(f"{{{{ {len(text)}|spend }}}}")
        self._parsed.source.append(text)

    def _read_tag(self, opening: str, start: int) -> None:
        if opening == "{#":
            end = self.source.find("#}", self.at)
            if end < 0:
                raise Refusal("a comment is not closed", start)
            self.at = end + 2
            # An empty comment keeps what stands before and after it apart.
            self._parsed.source.append("{##}")
            return
        trimmed = self.source.startswith("-", self.at)
        if trimmed:
            self.at += 1
            self._parsed.plain = False
        self.next()
        read = self._read_output if opening == "{{" else self._read_statement
        inside = read()
        closing = "}}" if opening == "{{" else "%}"
        if self.kind != "end" or not self.token.endswith(closing):
            self.refuse()
        if self.token.startswith("-"):
            self._parsed.plain = False
        self._parsed.source.append(f"{opening}{'-' * trimmed} {inside} {self.token}")
        if opening == "{%" and inside.startswith("for ") and self._parsed.source:
            self._parsed.plain = False

    def _read_output(self) -> str:
        start = self.at
        variables = len(self._parsed.pieces)
        before = self._parsed.pieces[-1] if self._parsed.pieces else ""
        inside = self._read_expression()
        if self._html and isinstance(before, str):
            if _ADDRESS.search(before):
                inside = f"({inside})|url"
            elif _UNQUOTED.search(before):
                raise Refusal("put quotes around an attribute's value", start)
        path = self._plain_path(inside)
        if path is None or self._html:
            self._parsed.plain = False
        self._parsed.pieces.insert(variables, path or ())
        return inside

    def _plain_path(self, inside: str) -> tuple[str, ...] | None:
        return next((p for p, name in self._parsed.variables.items() if name == inside), None)

    def _read_statement(self) -> str:
        word = self.token
        self._parsed.plain = False
        reader = {
            "if": self._read_if,
            "elif": self._read_elif,
            "else": self._read_else,
            "for": self._read_for,
        }.get(word)
        if word in {"endif", "endfor"}:
            return self._read_block_end(word)
        if self.kind != "name" or reader is None:
            known = "if, elif, else, endif, for and endfor"
            raise Refusal(f"{word!r} is no statement here; there are {known}", self.at)
        self.next()
        return reader()

    def _read_if(self) -> str:
        self._open("if")
        return f"if {self._read_expression()}"

    def _read_elif(self) -> str:
        self._inside("if")
        return f"elif {self._read_expression()}"

    def _read_else(self) -> str:
        if not self._blocks:
            self.refuse()
        return "else"

    def _read_for(self) -> str:
        names = [self._read_loop_name()]
        if self.token == ",":
            self.next()
            names.append(self._read_loop_name())
        self.expect("in")
        over = self._read_expression()
        self._open("for")
        ours = {name: f"x{len(self._loops)}{n}" for n, name in enumerate(names)}
        self._loops.append(ours)
        bounded = "each" if len(names) == 1 else "pairs"
        return f"for {', '.join(ours.values())} in ({over})|{bounded}"

    def _read_loop_name(self) -> str:
        name = self.token
        if self.kind != "name" or name in _WORDS or name in {*ROOTS, "loop"}:
            raise Refusal(f"{name!r} cannot be a loop's variable", self.at)
        self.next()
        return name

    def _read_block_end(self, word: str) -> str:
        self._inside(word.removeprefix("end"))
        if self._blocks.pop() == "for":
            self._loops.pop()
        self.next()
        return word

    def _open(self, block: str) -> None:
        if len(self._blocks) >= DEPTH_MAX:
            raise Refusal(f"blocks may be {DEPTH_MAX} deep", self.at)
        self._blocks.append(block)

    def _inside(self, block: str) -> None:
        if not self._blocks or self._blocks[-1] != block:
            raise Refusal(f"this belongs into {block}", self.at)

    # ---------------------------------------------------------------- expressions

    def _read_expression(self) -> str:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Refusal(f"expressions may be {DEPTH_MAX} deep", self.at)
        found = self._read_joined("or", "and")
        if self.token == "if" and self.kind == "name":
            self.next()
            condition = self._read_joined("or", "and")
            self.expect("else")
            found = f"{found} if {condition} else {self._read_expression()}"
        self._depth -= 1
        return found

    def _read_joined(self, word: str, inner: str | None) -> str:
        read = self._read_negated if inner is None else lambda: self._read_joined(inner, None)
        parts = [read()]
        while self.token == word:
            self.next()
            parts.append(read())
        return f" {word} ".join(parts) if len(parts) == 1 else f"({f' {word} '.join(parts)})"

    def _read_negated(self) -> str:
        if self.token == "not" and self.kind == "name":
            self.next()
            return f"(not {self._read_comparison()})"
        return self._read_comparison()

    def _read_comparison(self) -> str:
        left = self._read_filtered()
        if self.kind == "mark" and self.token in _COMPARISONS:
            mark = self.token
            self.next()
            right = self._read_filtered()
            return f"({left}|compare({dumps(mark)}, {right}))"
        if self.kind == "name" and self.token in {"in", "not"}:
            negated = self.token == "not"
            self.next()
            if negated:
                self.expect("in")
            return f"({'not ' * negated}({left}|among({self._read_filtered()})))"
        if self.kind == "name" and self.token == "is":
            return self._read_test(left)
        return left

    def _read_test(self, left: str) -> str:
        self.next()
        negated = self.token == "not"
        if negated:
            self.next()
        test = self.token
        if test not in {"defined", "none", "undefined"}:
            raise Refusal("the tests are: is defined, is undefined, is none", self.at)
        self.next()
        # Null and what is not there are one to a template.
        absent = (test != "defined") is not negated
        return f"({left} is none)" if absent else f"({left} is not none)"

    def _read_filtered(self) -> str:
        found = self._read_operand()
        count = 0
        while self.token == "|":
            count += 1
            self.next()
            found += f"|{self._read_filter()}"
            if count > DEPTH_MAX:
                raise Refusal(f"at most {DEPTH_MAX} filters in a row are allowed", self.at)
        return found

    def _read_filter(self) -> str:
        name = self.token
        known = FILTERS.get(name)
        if self.kind != "name" or known is None:
            raise Refusal(f"{name!r} is no filter; there are {', '.join(FILTERS)}", self.at)
        self.next()
        arguments = self._read_arguments(name) if self.token == "(" else []
        fewest, most = known.arguments
        if not fewest <= len(arguments) <= most:
            raise Refusal(f"{name} is used like this: {known.usage}", self.at)
        return f"{name}({', '.join(arguments)})" if arguments else name

    def _read_arguments(self, name: str) -> list[str]:
        self.next()
        arguments: list[str] = []
        while self.token != ")":
            if arguments:
                self.expect(",")
            # A separator from the data could be as long as the data.
            arguments.append(self._read_operand() if name == "default" else self._read_literal())
        self.next()
        return arguments

    def _read_operand(self) -> str:
        if self.token == "(":
            self.next()
            found = f"({self._read_expression()})"
            self.expect(")")
            return found
        if self.kind == "name" and self.token not in _WORDS:
            return self._read_path()
        if self.token == "[":
            return self._read_list()
        return self._read_literal()

    def _read_list(self) -> str:
        self.next()
        values: list[str] = []
        while self.token != "]":
            if values:
                self.expect(",")
            values.append(self._read_literal())
        self.next()
        return f"[{', '.join(values)}]"

    def _read_literal(self) -> str:
        token, kind = self.token, self.kind
        if kind == "text":
            text = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token[1:-1])
            if len(text) > _LITERAL_MAX:
                raise Refusal(f"a text in a tag has at most {_LITERAL_MAX} characters", self.at)
            self.next()
            return dumps(text, ensure_ascii=False)
        if kind == "number" or token.lower() in {"true", "false", "none"}:
            self.next()
            return token.lower()
        return self.refuse()

    def _read_path(self) -> str:
        root, at = self.token, self.at
        self.next()
        parts: list[str] = []
        while self.kind == "mark" and self.token in {".", "["}:
            parts += self._read_part()
        for ours in reversed(self._loops):
            if root in ours:
                return f"{ours[root]}|at({', '.join(map(dumps, parts))})" if parts else ours[root]
        if root == "loop" and self._loops and len(parts) == 1 and parts[0] in _LOOP_FIELDS:
            return f"loop.{parts[0]}"
        if root not in ROOTS:
            raise Refusal(f"there is no {root!r} here; there are {', '.join(ROOTS)}", at)
        variables = self._parsed.variables
        return variables.setdefault((root, *parts), f"v{len(variables)}")

    def _read_part(self) -> list[str]:
        dotted = self.token == "."
        self.next()
        part = self.token
        if self.kind == "text" and not dotted:
            part = part[1:-1]
        elif self.kind not in ({"name", "number"} if dotted else {"number"}) or part[0] == "-":
            self.refuse()
        # Two numbers in a row, as in ``data.rows.0.1``, come as one token.
        parts = part.split(".") if self.kind == "number" else [part]
        self.next()
        if not dotted:
            self.expect("]")
        return parts
