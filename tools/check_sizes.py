"""
Refuse modules above 400 lines and functions above 60.

Every project has one file that ate the design, because nothing measured it. A function should
stay below 40 lines; between 40 and 60 is for a reviewer to judge. Docstrings count: what needs a
long explanation does too much.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

MODULE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

EXCEPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
"""Path of a module that may be longer, or ``path:function`` -> the reason."""


def problems(path: Path, text: str, exceptions: Mapping[str, str] = EXCEPTIONS) -> Iterator[str]:
    """What is too long in the module *text* at *path*."""
    lines = text.count("\n")
    if lines > MODULE_LINES_MAX and str(path) not in exceptions:
        yield f"{path}: {lines} lines, at most {MODULE_LINES_MAX}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX and f"{path}:{node.name}" not in exceptions:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {length} lines,"
                    f" at most {FUNCTION_LINES_MAX}"
                )


def unused(exceptions: Mapping[str, str] = EXCEPTIONS) -> Iterator[str]:
    """Exceptions for what is gone, or short by now."""
    for name in exceptions:
        path = Path(name.partition(":")[0])
        if not path.exists() or not any(problems(path, path.read_text("utf-8"), {})):
            yield f"{name}: an exception that nothing needs"


def main(folders: list[str]) -> int:
    modules = [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    found = [line for path in modules for line in problems(path, path.read_text("utf-8"))]
    found += unused()
    print("\n".join(found) or f"{len(modules)} modules are short enough")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
