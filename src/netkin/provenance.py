"""Digests of the library's own code, so that an edit reruns what it affects and no more."""

import ast
import dataclasses
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from netkin.storage import canonical_json

PACKAGE_ROOT = Path(__file__).resolve().parent
UNTRACKED = frozenset(
    {"netkin.errors", "netkin.failure", "netkin.storage", "netkin.job", "netkin.provenance"}
)
"""Modules that carry results but do not make them: their edits rerun nothing. (A new layout
version comes with an edit of the module that writes the file, which does.)"""


def code_digest(*parts: Any) -> str:
    """Digest of the modules that define `parts` and of all they import from netkin.

    Comments, docstrings, formatting and type annotations do not count. The
    ``__init__`` of a subpackage is a registry and is not followed: the entry that a
    job uses is named as a part, so that adding an entry changes no other digest.

    Parameters
    ----------
    *parts : function, class or registry entry
        An entry is a dataclass instance: its functions count as if they were named, its
        other fields by their values, except fields with the metadata ``inert``.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    pending = set()
    values = []

    def add(name: str, value: Callable[..., Any]) -> None:
        pending.add(value.__module__)
        # modules hold several functions: which of them, and in which place, counts too
        qualified = getattr(value, "__qualname__", type(value).__qualname__)
        values.append(f"{name}={value.__module__}.{qualified}")

    for number, part in enumerate(parts):
        if callable(part):
            add(f"{number}", part)
            continue
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if callable(value):
                add(f"{number}.{field.name}", value)
            elif not field.metadata.get("inert"):
                # numpy's own way to print a number differs from version to version
                values.append(f"{number}.{field.name}={canonical_json(value)}")
    seen: set[str] = set()
    while pending:
        module = pending.pop()
        seen.add(module)
        pending |= _module_facts(module)[1] - seen
    lines = [f"{module} {_module_facts(module)[0]}" for module in sorted(seen)]
    text = "\n".join([*lines, *values])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _module_facts(module: str) -> tuple[str, frozenset[str]]:
    """Return the dump of a module's syntax tree and the netkin modules it imports."""
    path = _module_path(module)
    if path is None:
        raise ValueError(f"{module} is not a module of netkin")
    tree = _Bare().visit(ast.parse(path.read_text(encoding="utf-8")))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    tracked = {name for name in imported - UNTRACKED if _module_path(name) is not None}
    return ast.dump(tree, annotate_fields=False), frozenset(tracked)


def _module_path(module: str) -> Path | None:
    """Return the file of a plain netkin module; None for registries and foreign modules."""
    head, *rest = module.split(".")
    if head != "netkin" or not rest:
        return None
    path = PACKAGE_ROOT.joinpath(*rest).with_suffix(".py")
    return path if path.is_file() else None


class _Bare(ast.NodeTransformer):
    """Drops what does not change what the code does: docstrings and annotations."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        # options are checked by annotation in the config, before any job
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def script_digest(path: Path) -> str:
    """Digest of a script by its syntax tree, as of a module; "" where there is none."""
    if not path.is_file():
        return ""
    tree = _Bare().visit(ast.parse(path.read_text(encoding="utf-8")))
    return hashlib.sha256(ast.dump(tree, annotate_fields=False).encode()).hexdigest()[:16]
