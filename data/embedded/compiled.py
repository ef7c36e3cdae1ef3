"""Docstrings of the built-in types and of modules written in C, read from the live objects."""

import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from data.embedded.document import TITLE_CHARACTERS, Document, is_public

# Importing these changes nothing in the process. `_socket` holds the methods of a socket.
MODULES = (
    "_socket", "array", "atexit", "binascii", "bz2", "cmath", "collections", "contextvars", "csv",
    "datetime", "errno", "faulthandler", "functools", "gc", "hashlib", "heapq", "io", "itertools",
    "lzma", "marshal", "math", "mmap", "operator", "os", "os.path", "pickle", "queue", "random",
    "re", "select", "signal", "sqlite3", "ssl", "struct", "sys", "time", "tracemalloc", "types",
    "unicodedata", "weakref", "xml.etree.ElementTree", "zlib",
)  # fmt: skip
# bytearray repeats bytes, method by method; the others are the interactive session's, or hooks
# that a test runner or a shell replaces.
SKIPPED = frozenset({
    "breakpointhook", "bytearray", "copyright", "credits", "displayhook", "excepthook", "exit",
    "help", "license", "quit", "unraisablehook",
})  # fmt: skip
# Where a public module's members say they come from, when it is elsewhere.
ORIGINS = {
    "os": frozenset({"nt", "posix"}),
    "os.path": frozenset({"genericpath", "ntpath", "posixpath"}),
}
SELF = re.compile(r"^\(\$\w+(, /)?(, )?")


def read_builtins() -> Iterator[Document]:
    """The documentation of the built-in functions and types, and of their methods."""
    yield from _read_members(builtins, "builtins", "")


def read_modules() -> Iterator[Document]:
    """The documentation of `MODULES`, member by member; a module that is not built is skipped."""
    for module_name in MODULES:
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            continue
        name = module_name.lstrip("_")
        yield from _read_one(module, name)
        yield from _read_members(module, name, f"{name}.")


def _read_members(module: ModuleType, home: str, prefix: str) -> Iterator[Document]:
    for name, member in sorted(vars(module).items()):
        if name in SKIPPED or not is_public(name) or not _lives_in(home, member):
            continue
        yield from _read_one(member, prefix + name)
        if isinstance(member, type):
            for attribute in sorted(filter(is_public, vars(member))):
                # Not from vars(): a static method's wrapper has the wrapper's documentation.
                yield from _read_one(getattr(member, attribute), f"{prefix}{name}.{attribute}")


def _lives_in(home: str, member: object) -> bool:
    module = getattr(member, "__module__", None)
    if not callable(member) or not isinstance(module, str):
        return False
    return module.lstrip("_") == home or module in ORIGINS.get(home, ())


def _read_one(member: object, name: str) -> Iterator[Document]:
    text = getattr(member, "__doc__", None)
    # A constant has its type's documentation: `datetime.date.max` is no place to read it.
    if isinstance(text, str) and text != type(member).__doc__:
        yield Document(name, _title(member, name), inspect.cleandoc(text))


def _title(member: object, name: str) -> str:
    if isinstance(member, type):
        return f"class {name}"
    # inspect.signature evaluates the defaults, and fails on some: the text is all we need.
    signature = getattr(member, "__text_signature__", None) or ""
    title = name + SELF.sub("(", signature)
    return title if len(title) <= TITLE_CHARACTERS else f"{name}(...)"
