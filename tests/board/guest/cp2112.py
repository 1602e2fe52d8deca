"""A Silicon Labs CP2112, a USB bridge with eight GPIO lines: the kernel's hid-cp2112 provides it as a gpiochip.

Chosen because its driver delivers edge events (it polls the levels 100 times a second). The reports follow AN495. The
SMBus is not emulated.
"""
import struct
import time

import uhid

GPIO_CONFIGURATION, GPIO_GET, GPIO_SET, VERSION, SMBUS_CONFIGURATION = 0x02, 0x03, 0x04, 0x05, 0x06
LOCK = 0x20
LINES = 8


class Cp2112(uhid.Device):
    name, vendor, product = "board-cp2112", 0x10C4, 0xEA90

    def __init__(self):
        self.outputs = 0
        self.driven = 0
        # Pulled up, for buttons to ground.
        self.pulled = 0xFF
        # Lines held to ground: the end of each, in monotonic seconds.
        self.held = {}
        # Level changes as (monotonic seconds, line, level), newest last.
        self.changes = []
        super().__init__()

    def level(self, line):
        return self.levels() >> line & 1

    def levels(self):
        now = time.monotonic()
        for line, until in list(self.held.items()):
            if now >= until:
                del self.held[line]
                self.pull(line, 1)
        return self.driven & self.outputs | self.pulled & ~self.outputs & 0xFF

    def pull(self, line, level):
        """Sets the level to which an input is pulled."""
        self.pulled = self.pulled | 1 << line if level else self.pulled & ~(1 << line)

    def tap(self, line, seconds):
        """Holds a line to ground for `seconds`. Timed here, because a busy board may not send the release in time."""
        self.pull(line, 0)
        self.held[line] = time.monotonic() + seconds

    def get_report(self, number):
        if number == GPIO_CONFIGURATION:
            return bytes([number, self.outputs, 0, 0, 0])
        if number == GPIO_GET:
            return bytes([number, self.levels()])
        if number == VERSION:
            return bytes([number, 0x0C, 3])
        if number == LOCK:
            return bytes([number, 0])
        if number == SMBUS_CONFIGURATION:
            return struct.pack(">BIBBHHBH", number, 100_000, 2, 0, 0, 0, 0, 0)
        return None

    def set_report(self, number, report):
        before = self.levels()
        if number == GPIO_CONFIGURATION:
            self.outputs = report[1]
        elif number == GPIO_SET:
            self.driven = self.driven & ~report[2] | report[1] & report[2]
        changed = before ^ self.levels()
        now = time.monotonic()
        self.changes += [(now, line, self.level(line)) for line in range(LINES) if changed >> line & 1]
        del self.changes[:-200]
