"""The scenario of the virtual board: runs in the guest after each boot, and switches it off at the end.

Each check is a function; its result is one line of /mnt/board/out/results.jsonl. Chapters are separated by reboots;
/mnt/board/out/chapter has the number of the next one.
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


def run_check(check):
    begun = time.monotonic()
    try:
        detail = check()
        passed = True
    except board.Failure as failure:
        detail, passed = str(failure), False
    except Exception:  # an unexpected exception fails this check only
        detail, passed = traceback.format_exc(limit=3), False
    result = {"name": chapters.name(check), "passed": passed,
              "seconds": round(time.monotonic() - begun, 1), "detail": detail}
    if not passed:
        # A failed check must not make the next ones fail.
        board.restore()
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")
    print(f"board: {'ok  ' if passed else 'FAIL'} {result['name']} ({result['seconds']} s)", flush=True)


def listen(chapter):
    """Starts writing MQTT messages, the log of the service and the log of the guest into files beside the results."""
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
        run_check(check)
    for listener in listeners:
        listener.kill()
    goes_on = any(story[chapter + 1:])
    subprocess.run(["systemctl", "reboot" if goes_on else "poweroff"], check=False)


if __name__ == "__main__":
    main()
