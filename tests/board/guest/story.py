"""The story of the virtual board: runs in the guest at each of its starts, and switches it off at the end.

A check is a function named by what must hold; its outcome is one line of /mnt/board/out/results.jsonl. Chapters
are separated by reboots; /mnt/board/out/chapter says which comes next.
"""
import json
import subprocess
import sys
import time
import traceback

sys.path.insert(0, "/mnt/board/guest")
sys.dont_write_bytecode = True
import board  # noqa: E402
import chapters  # noqa: E402

RESULTS = board.OUT / "results.jsonl"
CHAPTER = board.OUT / "chapter"


def play(check):
    begun = time.monotonic()
    try:
        told = check()
        passed = True
    except board.Failure as failure:
        told, passed = str(failure), False
    except Exception:  # whatever goes wrong is a failed check, not the end of the story
        told, passed = traceback.format_exc(limit=3), False
    result = {"name": chapters.name(check), "passed": passed,
              "seconds": round(time.monotonic() - begun, 1), "told": told}
    if not passed:
        # What a check took away and did not bring back must not fail the next ones.
        board.mend()
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")
    print(f"board: {'ok  ' if passed else 'FAIL'} {result['name']} ({result['seconds']} s)", flush=True)


def listen(chapter):
    """Has written down beside the results what the broker gets, what the service says, and what the whole guest says."""
    journal = ["journalctl", "--follow", "--no-pager"]
    return [subprocess.Popen(command, stdout=(board.OUT / file).open("a")) for command, file in (
        (["mosquitto_sub", "-t", "moodring/#", "-F", "%U %t %p"], board.MESSAGES),
        ([*journal, "--unit=moodring", "--lines=0", "--output=cat"], board.FOLLOWED),
        ([*journal, "--boot", "--lines=all", "--output=short-monotonic"], f"journal-{chapter}.txt"),
    )]


def main():
    chapter = int(CHAPTER.read_text()) if CHAPTER.exists() else 0
    CHAPTER.write_text(str(chapter + 1))
    listeners = listen(chapter)
    story = chapters.story()
    for check in story[chapter]:
        play(check)
    for listener in listeners:
        listener.kill()
    goes_on = any(story[chapter + 1:])
    subprocess.run(["systemctl", "reboot" if goes_on else "poweroff"], check=False)


if __name__ == "__main__":
    main()
