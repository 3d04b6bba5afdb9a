"""Tries every way out of a list, many at a time: the name of this run, a JSON list of shell lines.

Prints `NAME: under way` once a part is tried, `NAME: no such tool: LINE`, and in the end `NAME: tried N of N`.
"""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys

name, path = sys.argv[1:]
with open(path) as file:
    lines = json.load(file)


def say(words):
    # Several runs share one pipe: a line is one write, also where the interpreter does not buffer.
    os.write(1, f"{name}: {words}\n".encode())


def attempt(line):
    quiet = subprocess.DEVNULL
    tried = subprocess.Popen(["sh", "-c", line], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        return line, tried.wait(8)
    except subprocess.TimeoutExpired:
        os.killpg(tried.pid, signal.SIGKILL)
        return line, tried.wait()


count = 0
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    for tried in concurrent.futures.as_completed([pool.submit(attempt, line) for line in lines]):
        line, code = tried.result()
        count += 1
        if code == 127:
            say(f"no such tool: {line}")
        if count == 20:
            say("under way")
say(f"tried {count} of {len(lines)}")
