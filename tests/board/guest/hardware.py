"""Emulated hardware of the virtual board: an I2C bus with a display at 0x3c, and a GPIO chip.

Runs as a service of the guest. The checks connect to /run/board/hardware and send one command as a line of JSON:
{"tap": LINE, "seconds": S}, {"press": LINE}, {"release": LINE}, {"silent": ADDRESS}, {"answering": ADDRESS}, or {} for
none. The answer is the state as a line of JSON.
"""
import json
import os
import selectors
import socket

from cp2112 import LINES, Cp2112
from mcp2221 import Mcp2221
from ssd1306 import Ssd1306

CONTROL = "/run/board/hardware"
DISPLAY_ADDRESS = 0x3C
SWITCH = 2


class Board:
    def __init__(self):
        self.display = Ssd1306()
        self.bus = Mcp2221({DISPLAY_ADDRESS: self.display})
        self.gpio = Cp2112()
        # The contact of the privacy switch: at ground, the camera may be opened.
        self.gpio.pull(SWITCH, 0)

    def execute(self, command):
        if "tap" in command:
            self.gpio.tap(command["tap"], command["seconds"])
        if "press" in command:
            self.gpio.pull(command["press"], 0)
        if "release" in command:
            self.gpio.pull(command["release"], 1)
        if "silent" in command:
            self.bus.silent.add(command["silent"])
        if command.get("answering") in self.bus.silent:
            # After a power loss the display is dark and its memory is empty.
            self.display.__init__()
            self.bus.silent.discard(command["answering"])
        return self.state()

    def state(self):
        display = self.display
        return {
            "display": {"lit": display.lit, "contrast": display.contrast, "bytes": display.written_bytes,
                        "rows": ["".join(map(str, row)) for row in display.pixels()]},
            "refused": self.bus.refused,
            "lines": [self.gpio.level(line) for line in range(LINES)],
            "outputs": [self.gpio.outputs >> line & 1 for line in range(LINES)],
            "changes": self.gpio.changes,
        }


def ready():
    """Notifies systemd (Type=notify) that the devices are connected."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")


def main():
    board = Board()
    if os.path.exists(CONTROL):
        os.unlink(CONTROL)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(CONTROL)
    control.listen()
    selector = selectors.DefaultSelector()
    selector.register(board.bus, selectors.EVENT_READ, lambda _: board.bus.serve())
    selector.register(board.gpio, selectors.EVENT_READ, lambda _: board.gpio.serve())

    def answer(listener):
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            stream.write(json.dumps(board.execute(json.loads(stream.readline()))) + "\n")

    selector.register(control, selectors.EVENT_READ, answer)
    ready()
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


if __name__ == "__main__":
    main()
