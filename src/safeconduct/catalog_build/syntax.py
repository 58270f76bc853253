"""Reading constants out of Python source without running it."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

Class = ast.ClassDef


def classes(source: str) -> dict[str, Class]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def constants(cls: Class, known: Mapping[str, Class]) -> dict[str, Any]:
    """The class attributes that are literals, those of base classes in the same file first."""
    found: dict[str, Any] = {}
    for base in bases(cls):
        if base in known and known[base] is not cls:
            found |= constants(known[base], known)
    for node in cls.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            found[name] = ast.literal_eval(value)
        except ValueError:
            found.pop(name, None)  # computed: what the base had does not hold
    return found


def bases(cls: Class) -> Iterator[str]:
    for base in cls.bases:
        match base:
            case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name):
                yield name


def method(cls: Class, name: str) -> ast.FunctionDef | None:
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    return None


def returned(function: ast.FunctionDef) -> list[ast.expr]:
    """What it returns, wherever."""
    return [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]


def pointer(value: ast.expr) -> str | None:
    """`data["a"]["b"]`, also within `str(…)`, as `/a/b`; None for anything else."""
    match value:
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return pointer(inner)
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(name))):
            above = pointer(inner)
            return None if above is None else f"{above}/{name}"
        case ast.Name():
            return ""
    return None
