#!/usr/bin/env python3
"""Evaluates a run of the virtual board: searches its disk for pictures, and reports which checks passed.

Usage: tests/board/judge.py DIRECTORY   (exit 1 unless all of them passed)
"""
import json
import mmap
import pathlib
import sys

# Number of bytes searched for, from the middle of every second picture. They are entropy-coded and so practically unique.
SAMPLE_BYTES = 32


def pictures_on_disk(directory):
    """Names of the pictures of which a part is on the disk that the board wrote."""
    with open(directory / "written.qcow2", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as disk:
        found = []
        for path in sorted((directory / "pictures").glob("*/*.jpg"))[::2]:
            picture = path.read_bytes()
            middle = len(picture) // 2
            if disk.find(picture[middle:middle + SAMPLE_BYTES]) >= 0:
                found.append(f"{path.parent.name}/{path.name}")
        return found, len(disk)


def names_of_checks(share):
    """The names of the checks in order; needed to report checks that were never reached."""
    sys.path.insert(0, str(share / "guest"))
    sys.dont_write_bytecode = True
    import board
    import chapters
    board.SHARE = share
    return [chapters.name(check) for checks in chapters.story() for check in checks]


def main():
    directory = pathlib.Path(sys.argv[1])
    results_file = directory / "out/results.jsonl"
    lines = results_file.read_text().splitlines() if results_file.exists() else []
    results = {result["name"]: result for result in map(json.loads, lines)}
    for name in names_of_checks(directory / "share"):
        results.setdefault(name, {"name": name, "passed": False, "seconds": 0, "detail": "never reached"})
    if (directory / "pictures").exists():
        found, size = pictures_on_disk(directory)
        detail = f"found {found}" if found else f"{size >> 20} MiB that the board wrote, searched for parts of the pictures"
        name = "No part of a picture is anywhere on the disk"
        results[name] = {"name": name, "passed": not found, "seconds": 0, "detail": detail}
    report = []
    for result in results.values():
        report.append(f"{'ok  ' if result['passed'] else 'FAIL'} {result['name']} ({result['seconds']} s)")
        if result["detail"]:
            report.append(f"     {result['detail']}")
    passed = sum(result["passed"] for result in results.values())
    report.append(f"board: {passed} of {len(results)} checks passed")
    (directory / "out/report.txt").write_text("\n".join(report) + "\n")
    print("\n".join(report))
    sys.exit(passed != len(results))


if __name__ == "__main__":
    main()
