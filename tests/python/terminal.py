"""Runs the command of its arguments twice, side by side, fed the same endless text: once with its standard error on a
terminal, once on a pipe. As soon as the terminal shows something, the text ends. Prints what each of them wrote."""

import json
import os
import pty
import subprocess
import sys
import threading

PIECE = b"nothing to be found in this line\n" * 2048


def start(stderr):
    return subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr)


def collect(descriptor, seen, first):
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # Linux's word for the end of a terminal
            piece = b""
        if not piece:
            return
        seen.append(piece)
        first.set()


terminal, side = pty.openpty()
reading, writing = os.pipe()
watched, piped = start(side), start(writing)
os.close(side)
os.close(writing)
seen, shown = {"terminal": [], "pipe": []}, threading.Event()
readers = [
    threading.Thread(target=collect, args=(terminal, seen["terminal"], shown)),
    threading.Thread(target=collect, args=(reading, seen["pipe"], threading.Event())),
]
for reader in readers:
    reader.start()
while not shown.is_set() and watched.poll() is None:
    watched.stdin.write(PIECE)
    piped.stdin.write(PIECE)
for process in (watched, piped):
    process.stdin.close()
codes = [watched.wait(), piped.wait()]
for reader in readers:
    reader.join()
print(json.dumps({"codes": codes, **{name: b"".join(pieces).decode() for name, pieces in seen.items()}}))
