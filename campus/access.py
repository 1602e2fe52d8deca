#!/usr/bin/env python3
"""Who may do what at the broker: makes users, passwords and access lists for Mosquitto and NATS from a list of devices.

    access.py devices.csv OUT [--home-assistant]

devices.csv has the columns device,site,room (`moodring mqtt id` prints a device's name). A device may write its own topics
and read its own status and commands, nothing else. Passwords are made at random, kept in OUT/passwords, one file a user,
and stay the same when this is run again; users that are gone from the list lose theirs.
"""

import argparse
import csv
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

WRITES = ["mood", "status", "health", "minute", "lesson", "event", "reply"]
READS = ["status", "cmd/+", "overlay"]
KEPT = ["minute", "lesson", "event", "health", "status"]
# What is not a device: name, topics it may write, topics it may read.
OTHERS = [
    ("moodring-ingest", [], [f"moodring/+/+/{leaf}" for leaf in KEPT]),
    ("moodring-dashboard", ["moodring/+/+/cmd/+"], ["moodring/#"]),
]


def devices(path):
    """(device, site, room) of each line; ends with a message that names the line."""
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            device, site, room = (row.get(key, "") or "" for key in ("device", "site", "room"))
            if not re.fullmatch(r"moodring-[0-9a-z]{1,55}", device):
                sys.exit(f"{path}: {row}: {device!r} is no device's name")
            # A wildcard or a separator would give the device other rooms' topics.
            if not all(re.fullmatch(r"[^/+#\s\x00]{1,64}", level) for level in (site, room)):
                sys.exit(f"{path}: {row}: site and room must be one topic level each, without spaces")
            yield device, site, room


def users(path, home_assistant):
    """Name, topics to write and topics to read of everybody."""
    yield from OTHERS
    seen = {name for name, _, _ in OTHERS}
    for device, site, room in devices(path):
        if device in seen:
            sys.exit(f"{path}: {device} is there twice")
        seen.add(device)
        base = f"moodring/{site}/{room}"
        writes = [f"{base}/{leaf}" for leaf in WRITES]
        reads = [f"moodring/{site}/overlay", *(f"{base}/{leaf}" for leaf in READS)]
        if home_assistant:
            writes.append(f"homeassistant/device/{device}/config")
            reads.append("homeassistant/status")
        yield device, writes, reads


def passwords(folder, names):
    """The password of each name, made where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for gone in set(path.name for path in folder.iterdir()) - set(names):
        (folder / gone).unlink()
    kept = {}
    for name in names:
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(18) + "\n")
        kept[name] = path.read_text().splitlines()[0]
    return kept


def private(path, text):
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def mosquitto(out, everybody, secret):
    acl = ["# Made by access.py. Whoever is not named here may do nothing."]
    for name, writes, reads in everybody:
        acl += ["", f"user {name}", *(f"topic write {topic}" for topic in writes), *(f"topic read {topic}" for topic in reads)]
    private(out / "mosquitto.acl", "\n".join(acl) + "\n")
    private(out / "mosquitto.users", "".join(f"{name}:{secret[name]}\n" for name, _, _ in everybody))
    if not shutil.which("mosquitto_passwd"):
        sys.exit("mosquitto_passwd is missing: mosquitto.users has plain passwords; run mosquitto_passwd -U on it")
    subprocess.run(["mosquitto_passwd", "-U", out / "mosquitto.users"], check=True, stderr=subprocess.DEVNULL)


def subject(topic):
    """A topic as NATS calls it: levels are parted by dots, so a dot within a level is an empty level."""
    return topic.replace(".", "//").replace("/", ".").replace("+", "*").replace("#", ">")


def nats(out, everybody, secret):
    # Plain passwords: they are random, so hashing protects nobody's other accounts, and 5,000 devices that come back
    # after a power cut would cost minutes of bcrypt.
    lines = ["# Made by access.py.", "accounts {", "  MOODRING {", "    jetstream: enabled", "    users: ["]
    for name, writes, reads in everybody:
        publish = ", ".join(f'"{subject(topic)}"' for topic in writes)
        # Deliveries with QoS 1 come on an inner subject of the session.
        subscribe = ", ".join(f'"{subject(topic)}"' for topic in [*reads, "$MQTT/sub/#"])
        allow = f"publish: {{ allow: [{publish}] }}" if writes else 'publish: { deny: ">" }'
        lines.append(f'      {{ user: "{name}", password: "{secret[name]}", permissions: {{ {allow}, subscribe: {{ allow: [{subscribe}] }} }} }}')
    lines += ["    ]", "  }", "}"]
    private(out / "nats-accounts.conf", "\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("devices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--home-assistant", action="store_true", help="also the topics of Home Assistant's discovery")
    arguments = parser.parse_args()
    everybody = list(users(arguments.devices, arguments.home_assistant))
    secret = passwords(arguments.out / "passwords", [name for name, _, _ in everybody])
    nats(arguments.out, everybody, secret)
    mosquitto(arguments.out, everybody, secret)
    print(f"{arguments.out}: {len(everybody)} users")


if __name__ == "__main__":
    main()
