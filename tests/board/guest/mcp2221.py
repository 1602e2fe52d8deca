"""A Microchip MCP2221, a USB bridge to I2C: the kernel's hid-mcp2221 provides it as /dev/i2c-N.

The reports follow the data sheet DS20005565, chapter 3. The GPIO lines are not emulated: the driver has no interrupts
for them.
"""
import uhid

STATUS, GET_DATA, GET_GPIO = 0x10, 0x40, 0x51
WRITES, READS = (0x90, 0x92, 0x94), (0x91, 0x93)
ADDRESS_NOT_ACKNOWLEDGED = 0x25
CHUNK = 60


class Mcp2221(uhid.Device):
    name, vendor, product = "board-mcp2221", 0x04D8, 0x00DD

    def __init__(self, chips):
        """`chips`: devices on the bus by address; each has a method `write(bytes)`."""
        self.chips = chips
        self.silent = set()
        self.refused = 0
        self._written = b""
        self._to_read = b""
        super().__init__()

    def output(self, report):
        report = report.ljust(64, b"\0")
        answer = bytearray(64)
        answer[0] = report[0]
        if report[0] == STATUS:
            # Cancelling a transfer and setting the speed always succeed.
            answer[2] = 0x10 if report[2] == 0x10 else 0
            answer[3] = 0x20 if report[3] == 0x20 else 0
        elif report[0] in WRITES + READS:
            self._transfer(report, answer)
        elif report[0] == GET_DATA:
            chunk, self._to_read = self._to_read[:CHUNK], self._to_read[CHUNK:]
            answer[2] = 0x54 if self._to_read else 0x55
            answer[3] = len(chunk)
            answer[4:4 + len(chunk)] = chunk
        elif report[0] == GET_GPIO:
            for line in range(4):
                answer[2 + 2 * line:4 + 2 * line] = (0, 1)
        return answer

    def _transfer(self, report, answer):
        length, address = report[1] | report[2] << 8, report[3] >> 1
        if address not in self.chips or address in self.silent:
            answer[1], answer[2] = 1, ADDRESS_NOT_ACKNOWLEDGED
            self.refused += 1
            self._written = b""
        elif report[0] in READS:
            self._to_read = bytes(length)
        else:
            self._written += report[4:4 + min(CHUNK, length - len(self._written))]
            if len(self._written) >= length:
                message, self._written = self._written, b""
                if message:
                    self.chips[address].write(message)
