"""What pages of this folder show of the code: public names with their docstrings, whole files.

Cog blocks call it; the code is read and never run. A name is `module:Name`, such as
`reranker.reranker:Reranker`.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
WIDTH = 88
_SECTIONS = ("Args", "Returns", "Yields", "Raises")
_HEAD = re.compile(rf"^({'|'.join(_SECTIONS)}):\n", re.MULTILINE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def reference(*names: str, methods: bool = True) -> str:
    """The entries of these names, one after another, with or without their methods."""
    text = "\n" + "\n".join(_entry(*name.split(":"), methods=methods) for name in names)
    # Three brackets would end a cog block.
    return text.replace("]]]", "]] ]") + "\n"


def public(cls: ast.ClassDef) -> Iterator[Function]:
    """A class's methods and properties that are not private; overloads once."""
    for node in cls.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def definition(module: str, name: str) -> ast.ClassDef | Function:
    """Where a module defines a name.

    Raises:
        LookupError: where it does not.
    """
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | Function) and node.name == name:
            return node
    raise LookupError(f"{module} defines no {name}")


def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


def _path(module: str) -> Path:
    return (ROOT / module.replace(".", "/")).with_suffix(".py")


def _entry(module: str, name: str, *, methods: bool) -> str:
    node = definition(module, name)
    path = _path(module).relative_to(ROOT).as_posix()
    parts = [f"### {name}", f"[`{path}`](../{path})", *_described(node, _signature(module, node))]
    if isinstance(node, ast.ClassDef):
        members = list(public(node))
        parts.append(_properties(each for each in members if _is_property(each)))
        for each in members:
            if methods and not _is_property(each):
                head = f"#### {name}.{each.name}"
                parts += [head, *_described(each, _call(each.name, each, method=True))]
    return "\n\n".join(filter(None, parts)) + "\n"


def _described(node: ast.ClassDef | Function, signature: str) -> list[str]:
    return [f"```python\n{signature}\n```", _markdown(_docstring(node))]


def _is_property(node: Function) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)


def _properties(properties: Iterable[Function]) -> str:
    told = [
        f"- `{each.name}`: `{_text(each.returns)}`. {' '.join(_docstring(each).split())}"
        for each in properties
    ]
    return "\n".join(["Properties:\n", *told]) if told else ""


def _docstring(node: ast.ClassDef | Function) -> str:
    return ast.get_docstring(node) or ""


def _signature(module: str, node: ast.ClassDef | Function) -> str:
    if not isinstance(node, ast.ClassDef):
        return _call(node.name, node)
    constructor = _constructor(module, node)
    if constructor is not None:
        return _call(node.name, constructor, method=True, returns=False)
    return _broken(node.name, list(_fields(node)), "")


def _constructor(module: str, cls: ast.ClassDef) -> Function | None:
    """A class's own `__init__`, or that of a base beside it."""
    for node in cls.body:
        if isinstance(node, Function) and node.name == "__init__":
            return node
    bases = {ast.unparse(base) for base in cls.bases}
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name in bases:
            return _constructor(module, node)
    return None


def _fields(cls: ast.ClassDef) -> Iterator[str]:
    """A dataclass's fields, as its constructor takes them."""
    if "kw_only=True" in ast.unparse(ast.Tuple(cls.decorator_list)):
        yield "*"
    for node in cls.body:
        if isinstance(node, ast.AnnAssign):
            yield f"{_text(node.target)}: {_text(node.annotation)}" + _default(node.value)


def _call(name: str, node: Function, *, method: bool = False, returns: bool = True) -> str:
    arguments = node.args.args[1:] if method else node.args.args
    defaults = [None] * (len(arguments) - len(node.args.defaults)) + node.args.defaults
    shown = [_argument(each, value) for each, value in zip(arguments, defaults, strict=True)]
    if node.args.kwonlyargs:
        pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        shown += ["*", *(_argument(each, value) for each, value in pairs)]
    if node.args.kwarg is not None:
        shown.append("**" + _argument(node.args.kwarg, None))
    before = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return before + _broken(name, shown, f" -> {_text(node.returns)}" if returns else "")


def _broken(name: str, shown: list[str], after: str) -> str:
    line = f"{name}({', '.join(shown)}){after}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in shown) + f"){after}"


def _argument(node: ast.arg, default: ast.expr | None) -> str:
    return f"{node.arg}: {_text(node.annotation)}{_default(default)}"


def _default(value: ast.expr | None) -> str:
    return "" if value is None else f" = {_text(value)}"


def _text(node: ast.AST | None) -> str:
    """Code as it is written, but annotations without their quotes."""
    if node is None:
        return "None"
    text = re.sub(r"^'(.*[|.\[].*|[A-Z]\w+)'$", r"\1", ast.unparse(node))
    return text.replace("'", '"')


def _markdown(docstring: str) -> str:
    """A docstring whose sections are lists."""
    before, *rest = _HEAD.split(docstring)
    sections = zip(rest[::2], rest[1::2], strict=True)
    return "\n\n".join([before.strip(), *(_section(*each) for each in sections)])


def _section(name: str, text: str) -> str:
    # What follows the indented lines is text again.
    matched = re.match(r"((?:[ ]+.*\n?|\n(?=[ ]))*)(.*)", text, re.DOTALL)
    assert matched is not None
    inside, after = dedent(matched[1]).strip(), matched[2].strip()
    if name in ("Args", "Raises"):
        inside = re.sub(r"^(\w+(?:,\s+\w+)*): ", _item, inside, flags=re.MULTILINE)
    told = f"{name}:\n\n{inside}" if name in ("Args", "Raises") else f"{name}: {inside}"
    return f"{told}\n\n{after}" if after else told


def _item(matched: re.Match[str]) -> str:
    return f"- {', '.join(f'`{name.strip()}`' for name in matched[1].split(','))}: "


def errors() -> str:
    """The tree of exceptions, as their module draws it."""
    drawn = (ast.get_docstring(_tree("reranker.errors")) or "").split("\n\n")[1]
    return f"\n```text\n{drawn}\n```\n\n"


def listing(path: str, language: str = "python") -> str:
    """A file, named and shown whole."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return f"\n[`{path}`](../{path}):\n\n```{language}\n{text}```\n\n"
