"""The cameras of the virtual board: V4L2 loopback devices, each with the pictures of one simulated class.

Runs as a service of the guest. /run/board/cameras has their names in the order of their numbers, such as `class other`.
Stopping the service removes the devices, like unplugging; `camera.py unplug` only removes them.
"""
import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

ORDER = pathlib.Path("/run/board/cameras")
PICTURES = pathlib.Path("/mnt/board/pictures")
WIDTH, HEIGHT = 640, 360
FRAMES_PER_S = 8
# <linux/videodev2.h>
BUF_TYPE_VIDEO_OUTPUT = 2
FIELD_NONE = 1
COLORSPACE_SRGB = 8
VIDIOC_S_FMT = 0xC0D05605
FOURCC_MJPG = 0x47504A4D
UNPLUG_TRIES = 100


def feed(number, pictures):
    """Opens /dev/videoNUMBER for writing; returns the file and the pictures in the order they are shown."""
    file = os.open(f"/dev/video{number}", os.O_WRONLY)
    form = bytearray(208)
    struct.pack_into("<I", form, 0, BUF_TYPE_VIDEO_OUTPUT)
    struct.pack_into("<IIIIIIII", form, 8, WIDTH, HEIGHT, FOURCC_MJPG, FIELD_NONE, 0, WIDTH * HEIGHT * 2,
                     COLORSPACE_SRGB, 0)
    fcntl.ioctl(file, VIDIOC_S_FMT, form)
    # Forward and backward, so that there is no jump at the start of a new pass.
    return file, pictures + pictures[-2:0:-1]


def plug(names):
    count = len(names)
    subprocess.run(["modprobe", "v4l2loopback", f"devices={count}",
                    "video_nr=" + ",".join(map(str, range(count))), "card_label=" + ",".join(names),
                    "exclusive_caps=" + ",".join("1" * count), "max_buffers=4"], check=True)
    cameras = []
    for number, name in enumerate(names):
        pictures = [path.read_bytes() for path in sorted((PICTURES / name).glob("*.jpg"))]
        cameras.append(feed(number, pictures))
    # A device gets the capture capability with its first writer, so udev must examine it again.
    subprocess.run(["udevadm", "trigger", "--settle", "--subsystem-match=video4linux"], check=True)
    return cameras


def unplug():
    """Removes the cameras. A camera in use cannot be removed: its user closes it when no more pictures arrive. Other drivers
    stay loaded, as after a real unplugging."""
    for _ in range(UNPLUG_TRIES):
        if subprocess.run(["rmmod", "v4l2loopback"], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.3)
    sys.exit("the camera is still in use")


def main():
    names = ORDER.read_text().split() if ORDER.exists() else ["class"]
    cameras = plug(names)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.connect(os.environ["NOTIFY_SOCKET"])
        notify.send(b"READY=1")
    shown = 0
    while True:
        for file, pictures in cameras:
            os.write(file, pictures[shown % len(pictures)])
        shown += 1
        time.sleep(1 / FRAMES_PER_S)


if __name__ == "__main__":
    unplug() if sys.argv[1:] == ["unplug"] else main()
