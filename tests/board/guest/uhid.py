"""A HID device emulated by a Python object; the kernel's drivers attach to it through /dev/uhid.

Events are `struct uhid_event` of <linux/uhid.h>, packed.
"""
import os
import struct

CREATE2, DESTROY, INPUT2 = 11, 1, 12
OUTPUT, GET_REPORT, GET_REPORT_REPLY, SET_REPORT, SET_REPORT_REPLY = 6, 9, 10, 13, 14
BUS_USB = 3
EIO = 5
EVENT_BYTES = 4380
# One vendor-defined collection: 64 bytes in, 64 bytes out. The drivers send reports without reading it.
DESCRIPTOR = bytes.fromhex("0600ff0901a101090215 0026ff00750895408102 0903150026ff00750895409102 c0")


class Device:
    """Opens /dev/uhid and connects the device; subclasses answer the reports of the driver."""

    name, vendor, product = "", 0, 0

    def __init__(self):
        self.file = os.open("/dev/uhid", os.O_RDWR)
        self._write(struct.pack("<I128s64s64sHHIIII4096s", CREATE2, self.name.encode(), b"", b"", len(DESCRIPTOR),
                                BUS_USB, self.vendor, self.product, 1, 0, DESCRIPTOR))

    def fileno(self):
        return self.file

    def unplug(self):
        self._write(struct.pack("<I", DESTROY))

    def serve(self):
        """Reads and answers one event."""
        event = os.read(self.file, EVENT_BYTES)
        kind, = struct.unpack_from("<I", event)
        if kind == OUTPUT:
            size, = struct.unpack_from("<H", event, 4 + 4096)
            answer = self.output(event[4:4 + size])
            if answer is not None:
                self._write(struct.pack("<IH4096s", INPUT2, len(answer), bytes(answer)))
        elif kind == GET_REPORT:
            request, number = struct.unpack_from("<IB", event, 4)
            report = self.get_report(number)
            error = EIO if report is None else 0
            report = report or b""
            self._write(struct.pack("<IIHH4096s", GET_REPORT_REPLY, request, error, len(report), report))
        elif kind == SET_REPORT:
            request, number, _, size = struct.unpack_from("<IBBH", event, 4)
            self.set_report(number, event[12:12 + size])
            self._write(struct.pack("<IIH", SET_REPORT_REPLY, request, 0))

    def output(self, report):
        """The answer to an output report, or None."""

    def get_report(self, number):
        """The feature report, or None if the device has none with this number."""

    def set_report(self, number, report):
        """Handles a feature report."""

    def _write(self, event):
        os.write(self.file, event)
