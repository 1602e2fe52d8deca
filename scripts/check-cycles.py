#!/usr/bin/env python3
"""Finds import cycles between sibling modules of each crate; exits with 1 if there is one.

A child module may use items of its parent, and a parent those of its children. Two modules with the same parent must not
depend on each other, directly or indirectly. Test modules are ignored.
Usage: scripts/check-cycles.py [ROOT]
"""
import re
import sys
from pathlib import Path

USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
INLINE = re.compile(r"(?<![\w:$])(?:crate|super|self)(?:::\w+)+")
TEST_MODULE = re.compile(r"^#\[cfg\(test\)\]\n(?:#\[[^\n]*\]\n)*(?:pub(?:\([^)]*\))? )?mod \w+ \{\n.*?^\}", re.M | re.S)
COMMENT = re.compile(r"//[^\n]*")


def leaves(tree):
    """The paths of a use tree: `a::{b, c::d}` gives `a::b` and `a::c::d`."""
    tree = tree.strip()
    start = tree.find("{")
    if start < 0:
        return [tree.split(" as ")[0].strip().removesuffix("::*")]
    prefix, body = tree[:start], tree[start + 1 : tree.rindex("}")]
    parts, depth, part = [], 0, ""
    for letter in body:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += letter
    parts.append(part)
    found = []
    for leaf in (leaf for part in parts if part.strip() for leaf in leaves(part)):
        found.append(prefix.rstrip(":") if leaf == "self" else prefix + leaf)
    return found


def resolve(path, module):
    """The absolute path, as a tuple without the crate, of `path` as written in `module`."""
    parts, here = [part for part in path.split("::") if part], list(module)
    if parts[0] == "crate":
        return tuple(parts[1:])
    if parts[0] == "self":
        parts = parts[1:]
    elif parts[0] != "super":
        return None
    while parts and parts[0] == "super":
        here, parts = here[:-1], parts[1:]
    return tuple(here + parts)


def modules_of(source):
    """The modules of the crate in the folder `source`, as path and text without tests and comments."""
    modules = {}
    for file in sorted(source.rglob("*.rs")):
        path = file.relative_to(source).with_suffix("").parts
        if "tests" in path or path[-1].endswith("tests"):
            continue
        path = () if path in (("lib",), ("main",)) else path
        text = TEST_MODULE.sub("", file.read_text())
        modules[path] = modules.get(path, "") + COMMENT.sub("", text)
    return modules


def reexports(modules):
    """Maps (module, name) to the absolute path of an item that the module re-exports from a module below it."""
    reexported = {}
    for module, text in modules.items():
        for use in USE.findall(text):
            for leaf in leaves(re.sub(r"\s+", " ", use)):
                parts = tuple(part for part in leaf.replace(" ", "").split("::") if part not in ("self", "crate"))
                if len(parts) > 1 and (*module, parts[0]) in modules:
                    reexported[(module, parts[-1])] = (*module, *parts)
    return reexported


def module_of(path, modules, reexported):
    """The module that defines the item at the absolute `path`; follows re-exports."""
    for _ in range(8):
        module = path
        while module and module not in modules:
            module = module[:-1]
        name = path[len(module) : len(module) + 1]
        if not name or (module, name[0]) not in reexported:
            return module
        path = reexported[(module, name[0])] + path[len(module) + 1 :]
    return module


def references(modules):
    """Pairs of modules; the first uses an item of the second."""
    reexported = reexports(modules)
    for module, text in modules.items():
        paths = [leaf for use in USE.findall(text) for leaf in leaves(re.sub(r"\s+", " ", use))]
        children = {other[-1] for other in modules if len(other) == len(module) + 1 and other[:-1] == module}
        paths = [f"self::{path}" if path.split("::")[0] in children else path for path in paths]
        paths += INLINE.findall(USE.sub("", text))
        for path in paths:
            target = resolve(path.replace(" ", ""), module)
            target = target and module_of(target, modules, reexported)
            if target:
                yield module, target


def sibling_edges(modules):
    """For each parent: which child depends on which other child, including the modules below them."""
    edges = {}
    for source, target in references(modules):
        common = 0
        while common < min(len(source), len(target)) and source[common] == target[common]:
            common += 1
        if common < len(source) and common < len(target):
            edges.setdefault(source[:common], {}).setdefault(source[common], set()).add(target[common])
    return edges


def cycle(graph):
    """A cycle of `graph` as a list of names, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(graph.get(name, ())):
            if found := visit(other):
                return found
        path.pop()
        done.add(name)
        return None

    for name in sorted(graph):
        if found := visit(name):
            return found
    return None


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent)
    sources = [root / "src", root / "campus/src", *sorted(root.glob("crates/*/src"))]
    found = 0
    for source in (source for source in sources if source.is_dir()):
        for parent, graph in sorted(sibling_edges(modules_of(source)).items()):
            if names := cycle(graph):
                found += 1
                print(f"{source.relative_to(root)}: {'::'.join(('crate', *parent))}: {' -> '.join(names)}")
    if found:
        print(f"check-cycles: {found} cycles: move the shared items into a separate module", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
