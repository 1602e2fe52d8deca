"""Helpers for the checks of the virtual board: its devices, the service, the broker, and pictures of its display."""
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import zlib

SHARE = pathlib.Path("/mnt/board")
OUT = SHARE / "out"
CONFIGURATION = pathlib.Path("/etc/moodring/moodring.toml")
DROP_IN = pathlib.Path("/run/systemd/system/moodring.service.d/board.conf")
STATE = pathlib.Path("/var/lib/moodring")
TOPIC = "moodring/virtual/board"
MESSAGES = OUT / "messages.txt"
FOLLOWED = OUT / "followed.txt"
# Lines of the GPIO chip, as configured in moodring.toml.
CAMERA_LIGHT, BUTTON, SWITCH = 0, 1, 2
DISPLAY_ADDRESS = 0x3C
WIDTH = 128
PIXEL = 4


class Failure(Exception):
    """A failed check, with the observed state."""


def expect(condition, otherwise):
    if not condition:
        raise Failure(otherwise)


def run(*command, timeout_s=120):
    """Runs a command, which must succeed; returns its output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    expect(done.returncode == 0, f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-400:]}")
    return done.stdout


def until(what, condition, timeout_s):
    """Waits until `condition` returns a true value, and returns it. The board is about twenty times as slow as a real one:
    timeouts are long, and conditions should not start processes."""
    begun = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() - begun > timeout_s:
            raise Failure(f"within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(1)


def hardware(**command):
    """Sends a command to the emulated hardware; returns its state."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect("/run/board/hardware")
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(command) + "\n")
            stream.flush()
            return json.loads(stream.readline())


def restore():
    """Restores, as far as possible, services and hardware that a check may have stopped."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["systemctl", "start", "mosquitto", "board-hardware", "board-camera"], timeout=300, check=False)
        hardware(answering=DISPLAY_ADDRESS)
        hardware(press=SWITCH)


def camera_light():
    return bool(hardware()["lines"][CAMERA_LIGHT])


def press(seconds=0.3):
    hardware(tap=BUTTON, seconds=seconds)
    time.sleep(seconds)


def systemctl(*arguments, timeout_s=120):
    return run("systemctl", *arguments, timeout_s=timeout_s)


def service(name="moodring"):
    """The properties of a service."""
    wanted = "ActiveState,SubState,Result,MainPID,NRestarts,ActiveEnterTimestampMonotonic"
    lines = systemctl("show", name, f"--property={wanted}").splitlines()
    return dict(line.split("=", 1) for line in lines)


def restart_with(configuration=None, unit=""):
    """Restarts the service after replacing text in its configuration and adding lines to its unit."""
    text = (SHARE / "moodring.toml").read_text()
    for old, new in (configuration or {}).items():
        expect(old in text, f"{old!r} is not in the configuration")
        text = text.replace(old, new)
    CONFIGURATION.write_text(text)
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text(f"[Service]\n{unit}\n")
    systemctl("daemon-reload")
    systemctl("reset-failed", "moodring")
    systemctl("restart", "moodring", timeout_s=300)


class Journal:
    """Log lines of the service and its manager since this object was created; story.py writes them to a file."""

    def __init__(self):
        self.begin = FOLLOWED.stat().st_size

    def lines(self):
        with FOLLOWED.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace").splitlines()

    def wait_for(self, *words, timeout_s=120):
        """Waits for a line with all of the words, and returns it."""
        def found():
            return next((line for line in self.lines() if all(word in line for word in words)), None)
        return until(lambda: f"no line with {' and '.join(words)}; last: {self.lines()[-4:]}", found, timeout_s)


def messages(kind="mood"):
    """All messages of the topic so far, oldest first, as (seconds, payload)."""
    found = []
    for line in MESSAGES.read_text().splitlines():
        at, topic, payload = line.split(" ", 2)
        if topic == f"{TOPIC}/{kind}" and payload.endswith("}"):
            found.append((float(at), json.loads(payload)))
    return found


def moods_since(begun):
    return [mood for at, mood in messages() if at >= begun]


def await_mood(what, condition, timeout_s=240):
    """Waits for a mood published from now on for which `condition` holds."""
    begun = time.time()

    def found():
        return next((mood for mood in reversed(moods_since(begun)) if condition(mood)), None)

    def instead():
        seen = moods_since(begun)
        return f"no {what}; {len(seen)} moods, the last {seen[-1]['state']} with {seen[-1]['people']}" if seen \
            else f"no {what}: nothing was published"
    return until(instead, found, timeout_s)


def users_of(device):
    """Names of the programs that have `device` open, without the one that feeds it."""
    real = os.path.realpath(device)
    users = set()
    for link in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == real:
                users.add((link.parent.parent / "comm").read_text().strip())
        except OSError:
            continue
    return users - {"python3"}


def display():
    """The picture on the display: 64 strings of 128 characters 0 and 1."""
    return hardware()["display"]["rows"]


def save(name, rows):
    """Writes a picture of the display as PNG, 4x4 pixels for each one, light blue on black like the OLED."""
    lines = []
    for row in rows:
        line = b"\0" + b"".join((b"\xd8\xf0\xff" if pixel == "1" else b"\x0a\x0c\x10") * PIXEL for pixel in row)
        lines += [line] * PIXEL

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    header = struct.pack(">IIBBBBB", len(rows[0]) * PIXEL, len(rows) * PIXEL, 8, 2, 0, 0, 0)
    (OUT / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                                      + chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b""))


def resemblance(rows, page):
    """Intersection over union of the lit pixels of two pictures, 0 to 1, at the best shift by up to two pixels. The display
    shifts its picture against burn-in."""
    def lit(picture):
        return {(x, y) for y, row in enumerate(picture) for x, pixel in enumerate(row) if pixel in "1#"}
    shown, expected = lit(rows), lit(page)
    if not shown or not expected:
        return 0.0
    best = 0.0
    for right in range(-2, 3):
        for down in range(-2, 3):
            moved = {(x + right, y + down) for x, y in shown}
            best = max(best, len(moved & expected) / len(moved | expected))
    return best


def golden(name):
    """A golden page of the project's tests."""
    return (SHARE / "golden" / f"{name}.txt").read_text().splitlines()


HEADLINE = slice(0, 27)


def expect_page(name, title, part=slice(None), timeout_s=60):
    """Checks that the display shows the golden page `title`, or the rows `part` of it; saves its picture as `name`."""
    page = golden(title)[part]
    best = []

    def shows():
        rows = display()
        best.append(resemblance(rows[part], page))
        return best[-1] > 0.97 and rows
    rows = None
    try:
        rows = until(lambda: f"the display does not show {title}: {max(best):.2f} alike", shows, timeout_s)
    finally:
        save(name, rows or display())
