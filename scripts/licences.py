#!/usr/bin/env python3
"""Prints the licence texts of all crates that are compiled into the program, each text once, with the crates it covers.

Usage: scripts/licences.py TARGET [--offline]      e.g. scripts/licences.py aarch64-unknown-linux-gnu
"""
import json
import pathlib
import subprocess
import sys

WORDS = ("licen", "copying", "notice", "copyright", "unlicense")


def compiled_in(metadata):
    """Packages that the daemon depends on through normal dependencies, without those of this workspace."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for dependency in nodes[node]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return [package for package in metadata["packages"] if package["id"] in seen and package["source"]]


def texts(package):
    """The licence files of a package."""
    folder = pathlib.Path(package["manifest_path"]).parent
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(path.name.lower().startswith(word) for word in WORDS):
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def main(target, *options):
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={target}", *options]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = sorted(compiled_in(metadata), key=lambda package: (package["name"], package["version"]))
    bearers = {}
    print(f"moodring is linked with these {len(packages)} crates. Their licence texts follow, each once.\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"  {name:44} {package['license'] or 'see its licence file'}")
        for text in texts(package):
            bearers.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    for text, names in bearers.values():
        print(f"\n{'=' * 100}\n{', '.join(names)}\n{'-' * 100}\n{text}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    main(*sys.argv[1:])
