"""An emulated SSD1306 display on I2C: executes commands, and returns its memory as a picture."""

WIDTH, PAGES = 128, 8
COMMAND, DATA = 0x00, 0x40
# Number of arguments of the commands that have some (data sheet, table 9).
ARGUMENTS = {0x20: 1, 0x21: 2, 0x22: 2, 0x26: 6, 0x27: 6, 0x29: 5, 0x2A: 5, 0x81: 1, 0xA3: 2, 0xA8: 1, 0xAD: 1,
             0xD3: 1, 0xD5: 1, 0xD9: 1, 0xDA: 1, 0xDB: 1, 0x8D: 1}


class Ssd1306:
    def __init__(self):
        self.memory = bytearray(WIDTH * PAGES)
        self.lit = False
        self.contrast = 0x7F
        self.written_bytes = 0
        self.horizontal = False
        self.columns, self.pages = (0, WIDTH - 1), (0, PAGES - 1)
        self.column = self.page = 0
        self._pending = []

    def write(self, message):
        """One I2C write, without the address."""
        self.written_bytes += len(message)
        control, payload = message[0], message[1:]
        if control & 0xC0 == 0x40:
            for byte in payload:
                self._put(byte)
        elif control & 0xC0 == 0x00:
            for byte in payload:
                self._command(byte)
        else:
            # Each byte has its own control byte before it.
            for kind, byte in zip(message[::2], message[1::2]):
                self._put(byte) if kind & 0x40 else self._command(byte)

    def pixels(self):
        """Rows from top to bottom of 0 and 1."""
        return [[self.memory[(y // 8) * WIDTH + x] >> (y % 8) & 1 for x in range(WIDTH)] for y in range(8 * PAGES)]

    def _put(self, byte):
        self.memory[self.page * WIDTH + self.column] = byte
        last = self.columns[1] if self.horizontal else WIDTH - 1
        if self.column < last:
            self.column += 1
            return
        if self.horizontal:
            self.column = self.columns[0]
            self.page = self.page + 1 if self.page < self.pages[1] else self.pages[0]

    def _command(self, byte):
        self._pending.append(byte)
        command, *arguments = self._pending
        if len(arguments) < ARGUMENTS.get(command, 0):
            return
        self._pending = []
        if command == 0x20:
            self.horizontal = arguments[0] & 3 == 0
        elif command == 0x21:
            self.columns = tuple(x & 0x7F for x in arguments)
            self.column = self.columns[0]
        elif command == 0x22:
            self.pages = tuple(x & 7 for x in arguments)
            self.page = self.pages[0]
        elif command == 0x81:
            self.contrast = arguments[0]
        elif command in (0xAE, 0xAF):
            self.lit = command == 0xAF
        elif command <= 0x0F:
            self.column = self.column & 0xF0 | command
        elif command <= 0x1F:
            self.column = (self.column & 0x0F | (command & 0x0F) << 4) % WIDTH
        elif 0xB0 <= command <= 0xB7:
            self.page = command & 7
