"""Docstrings of the standard library's Python sources, parsed and never imported."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from data.embedded.document import TITLE_CHARACTERS, Document, is_public
from reranker.errors import DataError

# Absent from some builds, gone in a later Python, or no part of the library proper.
SKIPPED = frozenset({
    "aifc", "antigravity", "asynchat", "asyncore", "cgi", "cgitb", "chunk", "crypt", "distutils",
    "encodings", "ensurepip", "idlelib", "imghdr", "imp", "lib2to3", "mailcap", "msilib",
    "nntplib", "ntpath", "nturl2path", "pipes", "pydoc_data", "smtpd", "sndhdr", "sunau",
    "telnetlib", "this", "tkinter", "turtle", "turtledemo", "uu", "xdrlib",
})  # fmt: skip
# Modules that hold the prose of another, public one.
PUBLIC_NAMES = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "genericpath": "os.path",
    "posixpath": "os.path",
}
# Tests, and a parser that has each RFC production as its documentation.
SKIPPED_PARTS = frozenset({"_header_value_parser", "test", "tests"})

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read_sources() -> Iterator[Document]:
    """Every docstring of a public module, class, function and method, ordered by file.

    Raises:
        DataError: where the running interpreter has no sources on disk.
    """
    library = Path(sysconfig.get_path("stdlib"))
    modules = {path: name for path in _paths(library) if (name := _module_name(path, library))}
    if not modules:
        raise DataError(
            f"the embedded collection is read from the standard library's .py files, and "
            f"{library} holds none; use a Python that is installed with its sources"
        )
    for path, name in modules.items():
        yield from _read_module(path, name)


def _paths(library: Path) -> Iterator[Path]:
    """The files of the library's own modules: site-packages, which may be huge, is not entered."""
    if library.is_dir():
        for entry in sorted(library.iterdir()):
            if entry.stem in sys.stdlib_module_names and entry.stem not in SKIPPED:
                yield from [entry] if entry.suffix == ".py" else sorted(entry.rglob("*.py"))


def _module_name(path: Path, library: Path) -> str | None:
    parts = path.relative_to(library).with_suffix("").parts
    top = parts[0]
    if SKIPPED_PARTS.intersection(parts):
        return None
    if top in PUBLIC_NAMES:
        return PUBLIC_NAMES[top]
    # A private file inside a public package speaks of that package: pathlib/_local.py.
    public = [part for part in parts if is_public(part)]
    return ".".join(public) if is_public(top) else None


def _read_module(path: Path, name: str) -> Iterator[Document]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # a file that this very interpreter cannot read documents nothing
    if text := ast.get_docstring(tree):
        yield Document(name, name, text)
    yield from _read_body(tree.body, name)


def _read_body(body: list[ast.stmt], prefix: str) -> Iterator[Document]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _read_body(node.body + node.orelse, prefix)
        elif isinstance(node, Definition) and is_public(node.name):
            name = f"{prefix}.{node.name}"
            if text := ast.get_docstring(node, clean=False):
                yield Document(name, _title(node, name), cleandoc(text))
            if isinstance(node, ast.ClassDef):
                yield from _read_body(node.body, name)


def _title(node: Definition, name: str) -> str:
    if isinstance(node, ast.ClassDef):
        return f"class {name}"
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        argument.annotation = None
    title = f"{name}({ast.unparse(arguments)})"
    return title if len(title) <= TITLE_CHARACTERS else f"{name}(...)"
