"""The checks of the scenarios, in order; the docstring of each is its name in the report. A reboot follows each chapter."""
import ctypes
import json
import os
import pathlib
import signal
import statistics
import time
import urllib.request

import board
import pixels
from board import Failure, Journal, await_mood, camera_light, expect, hardware, service, systemctl, until

PEOPLE, OTHER_PEOPLE = 12, 6
# Tolerance for the number of people; the quality of the detector is measured elsewhere.
PEOPLE_TOLERANCE = 2
CAMERA = "/dev/v4l/by-id/usb-board_class-video-index0"
# Maximum time of a start, with translated instructions.
START_S = 300


def boots():
    """The board boots and no unit fails"""
    failed = board.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip()
    expect(not failed, failed)
    uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    return f"systemd at multi-user.target after {uptime:.0f} s"


def installs():
    """The package installs and enables its service"""
    board.run("dpkg", "--install", "/mnt/board/moodring.deb", timeout_s=300)
    expect(systemctl("is-enabled", "moodring").strip() == "enabled", "not enabled")
    expect(board.CONFIGURATION.exists(), "no configuration")
    return board.run("dpkg-query", "--show", "moodring").strip()


def starts_bare():
    """Without camera, display and GPIO chip the service gets ready, and logs what is missing"""
    systemctl("stop", "board-camera", "board-hardware")
    journal = Journal()
    begun = time.monotonic()
    board.restart_with()
    seconds = time.monotonic() - begun
    lines = [journal.wait_for("/dev/i2c-board"), journal.wait_for("/dev/gpiochip-board")]
    status = until("no status online", lambda: [s for _, s in board.messages("status") if s["status"] == "online"], 60)
    expect(status, "not online")
    return f"ready after {seconds:.1f} s; " + " | ".join(lines)


def runs_simulated():
    """With a simulated class the service gets ready, runs the networks and serves the page"""
    begun = time.monotonic()
    board.restart_with()
    seconds = time.monotonic() - begun
    mood = await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    with urllib.request.urlopen("http://127.0.0.1:8080/api/v1/mood", timeout=10) as answer:
        expect(answer.status == 200, answer.status)
    return f"ready after {seconds:.1f} s, then {mood['people']} people"


def starts_by_itself():
    """After a reboot the service starts automatically"""
    state = service()
    expect(state["ActiveState"] == "active", state)
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    return f"ready {int(state['ActiveEnterTimestampMonotonic']) / 1e6:.0f} s after the kernel began"


def comes_alive():
    """Camera, display and GPIO chip are used as soon as they are connected, without a restart"""
    before = service()["MainPID"]
    systemctl("start", "board-hardware", "board-camera", timeout_s=180)
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    until("the camera light is dark", camera_light, 60)
    until("the display is dark", lambda: hardware()["display"]["lit"], 90)
    expect(service()["MainPID"] == before, "it was restarted")


def wizard_sees_camera():
    """The set-up page lists the camera with its modes, and proposes the change for one of them"""
    def ask(path, body=None):
        headers = {"content-type": "application/json"}
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:8080/api/v1/setup/{path}", data, headers), timeout=30) as answer:
            return json.load(answer)
    cameras = [camera for camera in ask("cameras") if camera["device"] == CAMERA]
    expect(len(cameras) == 1, cameras)
    modes = cameras[0]["modes"]
    expect(modes and not cameras[0]["fault"], cameras)
    mode = modes[-1]
    values = {"camera.source": "v4l2", "camera.v4l2.device": CAMERA, "camera.v4l2.width": mode["width"], "camera.v4l2.height": mode["height"]}
    difference = ask("check", {"values": values})["difference"]
    return f"{cameras[0]['card']}, {len(modes)} modes, {len(difference)} lines would change"


def counts_people():
    """The published number of people is 12, within 2"""
    begun = time.time()

    def enough():
        counts = [mood["people"] for mood in board.moods_since(begun) if mood["state"] == "live"]
        return len(counts) >= 20 and counts
    counts = until("fewer than 20 live moods", enough, 240)
    median = statistics.median(counts)
    expect(abs(median - PEOPLE) <= PEOPLE_TOLERANCE, f"median {median} of {counts}")
    return f"median {median}, from {min(counts)} to {max(counts)}"


def shows_mood():
    """The display shows the mood word, and the same picture as the page"""
    def alike():
        with urllib.request.urlopen("http://127.0.0.1:8080/display.png", timeout=10) as answer:
            page = pixels.decode_png(answer.read(), board.WIDTH)
        rows = board.display()
        word = board.messages()[-1][1]["word"]
        # The golden page for the word "attentive" has the name of the state.
        golden = board.golden("live" if word == "attentive" else f"word_{word}")
        headline = board.resemblance(rows[board.HEADLINE], golden[board.HEADLINE])
        found.append((round(board.resemblance(rows, page), 2), round(headline, 2), word))
        return found[-1][0] > 0.97 and headline > 0.97 and rows
    found = []
    try:
        rows = until(lambda: f"page alike, word alike, word: {found[-3:]}", alike, 120)
    finally:
        board.save("mood", board.display())
    board.save("mood", rows)
    return f"{found[-1][2]!r}"


def light_is_on():
    """The camera light is on while the camera streams"""
    expect(board.users_of(CAMERA) == {"moodring"}, f"the camera is used by {board.users_of(CAMERA)}")
    expect(camera_light(), "the light is off")


def button_pauses():
    """A press of the button pauses: camera closed, light off, shown on MQTT and display"""
    board.press()
    until("the camera is still open", lambda: not board.users_of(CAMERA), 30)
    until("the light is still on", lambda: not camera_light(), 10)
    await_mood("paused mood", lambda mood: mood["state"] == "paused", 30)
    board.expect_page("paused", "paused")


def button_resumes():
    """Another press resumes"""
    board.press()
    until("the light is still off", camera_light, 30)
    await_mood("live mood", lambda mood: mood["state"] == "live")


def camera_unplugged():
    """Camera unplugged: light off, stale mood, shown on the display, one line in the log, the service runs on"""
    before, journal = service()["MainPID"], Journal()
    systemctl("stop", "board-camera", timeout_s=180)
    expect(not os.path.exists("/dev/video0"), "the camera is still there")
    line = journal.wait_for("camera away", timeout_s=90)
    until("the light is still on", lambda: not camera_light(), 30)
    await_mood("stale mood", lambda mood: mood["state"] == "stale", 180)
    board.expect_page("camera-gone", "camera_gone", board.HEADLINE)
    found = [line for line in journal.lines() if "camera away" in line]
    expect(len(found) == 1, f"logged {len(found)} times")
    expect(service()["MainPID"] == before, "it was restarted")
    return line


def camera_back():
    """Camera plugged in again: live mood, light on"""
    systemctl("start", "board-camera", timeout_s=180)
    await_mood("live mood", lambda mood: mood["state"] == "live")
    until("the light is still off", camera_light, 10)


def broker_restarted():
    """Broker stopped: shown on the display; started again: moods are published again"""
    before, journal = service()["MainPID"], Journal()
    systemctl("stop", "mosquitto")
    line = journal.wait_for("1883", timeout_s=60)
    board.expect_page("broker-away", "broker_away", board.HEADLINE, 90)
    expect(camera_light(), "the camera was closed")
    systemctl("start", "mosquitto")
    await_mood("live mood", lambda mood: mood["state"] == "live", 120)
    expect(service()["MainPID"] == before, "it was restarted")
    return line


def display_silent():
    """Display not acknowledging: one line in the log, the service runs on; acknowledging again: redrawn"""
    before, journal = service()["MainPID"], Journal()
    hardware(silent=board.DISPLAY_ADDRESS)
    line = journal.wait_for("display", "0x3c", timeout_s=120)
    await_mood("live mood", lambda mood: mood["state"] == "live")
    # After a power loss its memory is empty and it is dark.
    hardware(answering=board.DISPLAY_ADDRESS)
    until("the display is dark", lambda: hardware()["display"]["lit"], 120)
    until("the display is empty", lambda: any("1" in row for row in board.display()), 60)
    found = [line for line in journal.lines() if "no display answers" in line]
    expect(len(found) == 1, f"logged {len(found)} times")
    expect(service()["MainPID"] == before, "it was restarted")
    return line


def cameras_swapped():
    """Two cameras with swapped numbers: the one with the configured name is used"""
    systemctl("stop", "board-camera", timeout_s=180)
    pathlib.Path("/run/board/cameras").write_text("other class")
    systemctl("start", "board-camera", timeout_s=180)
    begun = time.time()
    expect(os.path.realpath(CAMERA) == "/dev/video1", os.path.realpath(CAMERA))
    # The old mood stays live for a while, and the next attempt to open the camera may be ten seconds later.
    until("the camera is not used", lambda: board.users_of("/dev/video1") == {"moodring"}, 60)
    expect(not board.users_of("/dev/video0"), "the wrong camera is used")
    until("fewer than 5 moods", lambda: len(board.moods_since(begun + 15)) >= 5, 60)
    people = board.moods_since(begun + 15)[-1]["people"]
    expect(abs(people - PEOPLE) <= PEOPLE_TOLERANCE, f"{people} people are those of the other camera")
    return f"{people} people"


def killed():
    """Service killed: the light goes off, the service is restarted"""
    until("the camera light is off", camera_light, 60)
    before = service()
    pid = int(before["MainPID"])
    since = hardware()["changes"][-1][0] if hardware()["changes"] else 0
    os.kill(pid, signal.SIGKILL)
    until("it did not come back", lambda: service()["MainPID"] not in ("0", str(pid)), 120)
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    levels = [level for at, line, level in hardware()["changes"] if line == board.CAMERA_LIGHT and at > since]
    expect(0 in levels and levels[-1] == 1, f"the light was {levels}")


def stalled():
    """Vision thread stalled: the watchdog ends the process, the light goes off, the service is restarted"""
    pid = int(service()["MainPID"])
    since = hardware()["changes"][-1][0]
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    vision = next((int(task.name) for task in tasks if (task / "comm").read_text().strip() == "vision"), None)
    expect(vision, "there is no thread called vision")
    journal = Journal()
    begun = time.monotonic()
    attach = 16
    if ctypes.CDLL(None, use_errno=True).ptrace(attach, vision, None, None) != 0:
        raise Failure(f"the thread cannot be stopped: {os.strerror(ctypes.get_errno())}")
    line = journal.wait_for("atchdog", timeout_s=180)
    seconds = time.monotonic() - begun
    until("it did not come back", lambda: service()["MainPID"] not in ("0", str(pid)), 120)
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    levels = [level for at, line, level in hardware()["changes"] if line == board.CAMERA_LIGHT and at > since]
    expect(0 in levels and levels[-1] == 1, f"the light was {levels}")
    return f"after {seconds:.0f} s: {line}"


def wrong_address():
    """Wrong I2C address: one line with address, bus and key; the service runs on"""
    journal = Journal()
    board.restart_with({"address = 0x3c": "address = 0x3d"})
    line = journal.wait_for("0x3d", "display.address")
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    return line


def wrong_group():
    """User in no group: one line each for display and GPIO; a switch that cannot be read keeps the camera closed"""
    journal = Journal()
    board.restart_with(unit="SupplementaryGroups=")
    lines = [journal.wait_for("/dev/i2c-board", "group"), journal.wait_for("/dev/gpiochip-board", "group")]
    await_mood("paused mood", lambda mood: mood["state"] == "paused", 60)
    expect(not board.users_of(CAMERA) and not camera_light(), "the camera is open")
    return " | ".join(lines)


def no_camera_group():
    """User not in group video: one line with the reason; display and broker work"""
    journal = Journal()
    board.restart_with(unit="SupplementaryGroups=\nSupplementaryGroups=i2c spi gpio")
    line = journal.wait_for("group video")
    await_mood("mood", lambda mood: mood["state"] in ("starting", "stale"), 60)
    until("the light is on", lambda: not camera_light(), 30)
    return line


def pauses_for_reboot():
    """With the groups restored the mood is live; paused before the reboot"""
    board.restart_with()
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    board.press()
    await_mood("paused mood", lambda mood: mood["state"] == "paused", 30)


def still_paused():
    """After the reboot still paused: camera not opened, light off, shown on the display"""
    state = service()
    expect(state["ActiveState"] == "active", state)
    await_mood("paused mood", lambda mood: mood["state"] == "paused", 60)
    expect(not board.users_of("/dev/video0"), "the camera is open")
    board.expect_page("paused-after-reboot", "paused", timeout_s=120)
    lit = [change for change in hardware()["changes"] if change[1:] == [board.CAMERA_LIGHT, 1]]
    expect(not lit, "the light was on")
    return f"ready {int(state['ActiveEnterTimestampMonotonic']) / 1e6:.0f} s after the kernel began"


def switch_has_last_word():
    """While the privacy switch is closed the button cannot open the camera; opened, it can"""
    hardware(release=board.SWITCH)
    time.sleep(3)
    board.press()
    time.sleep(8)
    expect(not board.users_of("/dev/video0") and not camera_light(), "the camera is open")
    hardware(press=board.SWITCH)
    time.sleep(3)
    expect(not board.users_of("/dev/video0"), "the camera is open without a resume")
    board.press()
    until("the light is still off", camera_light, 30)
    await_mood("live mood", lambda mood: mood["state"] == "live", START_S)
    hardware(release=board.SWITCH)
    until("the camera is still open", lambda: not board.users_of("/dev/video0") and not camera_light(), 30)
    hardware(press=board.SWITCH)
    until("the light is still off", camera_light, 30)


def no_dump():
    """A crash leaves no memory dump"""
    pid = service()["MainPID"]
    os.kill(int(pid), signal.SIGABRT)
    until("it did not come back", lambda: service()["MainPID"] not in ("0", pid), 120)
    dumps = [str(path) for folder in ("/", "/var/lib/systemd/coredump", str(board.STATE), "/tmp", "/var/crash")
             for path in pathlib.Path(folder).glob("core*")]
    expect(not dumps, dumps)


def no_picture():
    """The service wrote no picture file"""
    magic = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"P5")
    found, looked = [], 0
    for folder in (str(board.STATE) + "/", "/var/lib/private", "/var/tmp", "/tmp", "/run/moodring", "/var/log"):
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file() and not path.is_symlink():
                looked += 1
                data = path.read_bytes()
                if data.startswith(magic) or b"\xff\xd8\xff" in data:
                    found.append(str(path))
    expect(not found, found)
    return f"{looked} files examined; the whole disk is searched after the scenario"


def remove_keeps():
    """Removing the package keeps configuration and lessons"""
    def kept():
        return sorted(str(path.relative_to(board.STATE)) for path in pathlib.Path(f"{board.STATE}/").rglob("*"))
    systemctl("stop", "moodring")
    before = kept()
    board.run("dpkg", "--remove", "moodring", timeout_s=180)
    expect(board.CONFIGURATION.exists(), "the configuration is gone")
    expect(before and kept() == before, f"kept {kept()} of {before}")
    expect(not os.path.exists("/usr/bin/moodring"), "the program is still there")
    return ", ".join(before)


def purge_leaves_nothing():
    """Purging the package leaves nothing"""
    board.run("dpkg", "--purge", "moodring", timeout_s=180)
    board.DROP_IN.unlink(missing_ok=True)
    left = board.run("find", "/", "-xdev", "-name", "*moodring*", "-not", "-path", "/proc/*", "-not", "-path", "/sys/*")
    left = [line for line in left.splitlines() if not line.startswith(("/run/systemd/system/", "/var/lib/dpkg/"))]
    expect(not left, left)
    users = pathlib.Path("/etc/passwd").read_text()
    expect("moodring" not in users, "its user is left")


# Chapters of each scenario; between two of them the board reboots.
STORIES = {
    "wall": [
        [boots, installs, starts_bare, comes_alive, wizard_sees_camera, counts_people, shows_mood, light_is_on, button_pauses, button_resumes,
         camera_unplugged, camera_back, broker_restarted, display_silent, cameras_swapped, killed, stalled, wrong_address,
         wrong_group, no_camera_group, pauses_for_reboot],
        [still_paused, switch_has_last_word, no_dump, no_picture, remove_keeps, purge_leaves_nothing],
    ],
    "package": [
        [boots, installs, runs_simulated, counts_people],
        [starts_by_itself, no_picture, remove_keeps, purge_leaves_nothing],
    ],
}


def story():
    """The chapters of the scenario of this run, limited to the requested checks."""
    only = (board.SHARE / "only").read_text().split() if (board.SHARE / "only").exists() else None
    chapters = STORIES[(board.SHARE / "story").read_text().strip()]
    return [[check for check in checks if only is None or check.__name__ in only] for checks in chapters]


def name(check):
    """The name of a check in the report."""
    return check.__doc__.strip().rstrip(".")
