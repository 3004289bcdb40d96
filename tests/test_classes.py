"""No class holds more state than a person can keep in mind."""

from __future__ import annotations

import ast
from pathlib import Path

import synthkit

ROOT = Path(synthkit.__file__).parent
MOST = 14
"""Most attributes that an instance may have, with those of its bases in this package."""

Classes = dict[str, ast.ClassDef]


def classes(source: str) -> Classes:
    """The classes in a module, by name."""
    nodes = ast.walk(ast.parse(source))
    return {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}


def attributes(cls: ast.ClassDef, known: Classes) -> set[str]:
    """What is assigned to ``self``, and the fields of a dataclass that can change."""
    found: set[str] = set()
    for node in ast.walk(cls):
        stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if stored and isinstance(node.value, ast.Name) and node.value.id == "self":
            found.add(node.attr)
    decorators = [ast.unparse(one) for one in cls.decorator_list]
    if any("dataclass" in one and "frozen=True" not in one for one in decorators):
        found |= {ast.unparse(one.target) for one in cls.body if isinstance(one, ast.AnnAssign)}
    for base in cls.bases:
        name = ast.unparse(base).partition("[")[0]
        if name in known and name != cls.name:
            found |= attributes(known[name], known)
    return found


def test_no_class_has_more_than_14_attributes() -> None:
    modules = [classes(path.read_text()) for path in ROOT.rglob("*.py")]
    known: Classes = {}
    for own in modules:
        known |= own
    sizes = {
        name: len(attributes(cls, known | own)) for own in modules for name, cls in own.items()
    }
    large = {name: size for name, size in sizes.items() if size > MOST}
    assert not large, f"split these classes: {large}"


def test_the_guard_counts_bases_pairs_and_dataclasses() -> None:
    source = """
class A:
    def f(self):
        self.a, self._b = 1, 2
        self.c: int = 3
        self.d.e = 4
        self.f += 1
class B(A[int]):
    x: int = 1
    def g(self):
        self.g = self.a
@dataclass(slots=True)
class C:
    h: int
    i: int = 2
@dataclass(frozen=True)
class D:
    j: int
"""
    known = classes(source)
    assert attributes(known["A"], known) == {"a", "_b", "c", "f"}
    assert attributes(known["B"], known) == {"a", "_b", "c", "f", "g"}
    assert attributes(known["C"], known) == {"h", "i"}
    assert attributes(known["D"], known) == set()
