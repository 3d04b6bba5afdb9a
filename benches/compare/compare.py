"""Egret beside other tools: the same files, one run, one core.

    compare.py --scanner target/release/accuracy [--samples N] [--seed N] [--runs N] [--clean DIR] [--speed-only]

Every tool scans the same files. A value counts as found if the tool reports anything at all in its file; that is
generous to all. The values are drawn from Egret's own signatures: the table says what a tool makes of the formats Egret
knows, not what it makes of its own.

Speed is bytes over seconds of processor time (the system's share included), without what the tool takes over an empty
folder (start, reading its rules). The tools take turns, `--runs` times; what is slow gets less to read.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parent / ".venv" / "bin"
HIDINGS = ["plain", "json", "json-escaped", "base64-in-json", "percent", "hex", "utf-16"]
# What a tool is given to read in the measurement of speed, in bytes.
ROOM = {"egret": 90_000_000, "kingfisher": 90_000_000, "detect-secrets": 200_000, "presidio": 20_000}


def run(command):
    """Runs a tool and returns what it wrote and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ran, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def egret(scanner):
    def scan(folder):
        ran, seconds = run([scanner, "--scan", folder])
        if ran.returncode != 0:
            raise SystemExit(f"egret failed: {ran.stderr}")
        rows = [json.loads(line) for line in ran.stdout.splitlines()]
        return {str(Path(row["file"]).resolve()): len(row["found"]) for row in rows}, seconds

    return scan


def kingfisher(folder):
    command = [TOOLS / "kingfisher", "scan", folder, "--jobs", "1", "--no-validate", "--format", "jsonl"]
    command += ["--confidence", "low", "--no-dedup", "--git-history", "none", "--no-update-check"]
    ran, seconds = run(command)
    found = {}
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        if "finding" in row:
            path = str(Path(row["finding"]["path"]).resolve())
            found[path] = found.get(path, 0) + 1
    if not found and ran.returncode not in (0, 200):
        raise SystemExit(f"kingfisher failed: {ran.stderr}")
    return found, seconds


def detect_secrets(folder):
    ran, seconds = run([TOOLS / "detect-secrets", "-C", folder, "scan", "--all-files", "--no-verify"])
    if ran.returncode != 0:
        raise SystemExit(f"detect-secrets failed: {ran.stderr}")
    results = json.loads(ran.stdout)["results"]
    return {str((Path(folder) / path).resolve()): len(rows) for path, rows in results.items()}, seconds


def presidio(folder):
    ran, seconds = run([TOOLS / "python", HERE / "presidio.py", folder])
    if ran.returncode != 0:
        raise SystemExit(f"presidio failed: {ran.stderr}")
    return {str(Path(path).resolve()): count for path, count in json.loads(ran.stdout).items()}, seconds


def tools(scanner):
    """Tools by class of findings; only those that are installed."""
    secrets, personal = {"egret": egret(scanner)}, {"egret": egret(scanner)}
    if (TOOLS / "kingfisher").exists():
        secrets |= {"kingfisher": kingfisher, "detect-secrets": detect_secrets}
        personal |= {"presidio": presidio}
    else:
        print("The other tools are not installed (`make compare-tools` does that): Egret stands alone.\n")
    return {"secret": secrets, "pii": personal}


def files(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def share(found, paths):
    hits = sum(str(path.resolve()) in found for path in paths)
    return f"{100 * hits / len(paths):.1f}" if paths else "-"


def accuracy(by_class, inputs, clean):
    """Recall by way of hiding, findings where the check fails, and findings in clean files."""
    for kind, titles in (("secret", "Credentials"), ("pii", "Personal data")):
        base = inputs / kind
        names = list(by_class[kind])
        found = {name: {} for name in names}
        for name in names:
            # What is slow is asked about plain values only.
            hidings = ["plain", "broken"] if name == "presidio" else [*HIDINGS, "broken"]
            for hiding in hidings:
                found[name] |= by_class[kind][name](base / hiding)[0]
        count = len(files(base / "plain"))
        print(f"\n### {titles}: found %, of {count} values each way\n")
        print("| way | values | " + " | ".join(names) + " |\n|---|---|" + "--:|" * len(names))
        for hiding in HIDINGS:
            for check in ("checked", "unchecked"):
                paths = files(base / hiding / check)
                shares = ["-" if n == "presidio" and hiding != "plain" else share(found[n], paths) for n in names]
                print(f"| {hiding} | {check}: {len(paths)} | " + " | ".join(shares) + " |")
        paths = files(base / "broken")
        shares = [share(found[name], paths) for name in names]
        print(f"| plain, check fails (false) | {len(paths)} | " + " | ".join(shares) + " |")
        if clean:
            alarms(by_class[kind], clean)


def alarms(scans, clean):
    """Findings in files in which there should be none, as far as each tool gets to read them."""
    print("\n| clean files | bytes | findings |\n|---|--:|--:|")
    for name, scan in scans.items():
        with tempfile.TemporaryDirectory() as folder:
            size = fill(Path(folder), ROOM[name], clean)
            print(f"| {name} | {size} | {sum(scan(folder)[0].values())} |")


def fill(folder, room, source):
    """Copies files of `source` into `folder`, `room` bytes at most; returns how many.

    Where there is more room than files, they are copied again, each with another line before it: a tool that knows a
    file again must read it all the same.
    """
    total, turn = 0, 0
    paths = sorted(files(source))
    while total < room and (turn == 0 or room > 1_000_000):
        for path in paths:
            data = (f"copy {turn}\n".encode() if turn else b"") + path.read_bytes()
            data = data[: room - total]
            (folder / f"{turn}-{path.name}").write_bytes(data)
            total += len(data)
            if total >= room:
                break
        turn += 1
    return total


def prose(folder):
    """What is read where no folder of real traffic is given: chat completions of plain words."""
    words = "the quick brown fox jumps over a lazy dog while two egrets look on from reeds at low tide".split()
    draw = random.Random(1)
    for number in range(64):
        texts = [" ".join(draw.choices(words, k=80)) for _ in range(500)]
        rows = [{"role": "user", "content": text} for text in texts]
        (folder / f"{number}.json").write_text(json.dumps({"model": "m", "messages": rows}))


def speed(by_class, runs, source):
    """MB/s of every tool, in turns; how many times faster the first is."""
    scans = {name: scan for kind in by_class.values() for name, scan in kind.items()}
    speeds = {name: [] for name in scans}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "empty").mkdir()
        sizes = {}
        for name in scans:
            (folder / name).mkdir()
            sizes[name] = fill(folder / name, ROOM[name], source)
        for _ in range(runs):
            for name, scan in scans.items():
                nothing = scan(folder / "empty")[1]
                seconds = max(scan(folder / name)[1] - nothing, 1e-3)
                speeds[name].append(sizes[name] / 1e6 / seconds)
    print(f"\n### Speed, MB/s on one core, {runs} runs in turns, start not counted\n")
    print("| tool | bytes | median | least | most | Egret is faster by |\n|---|--:|--:|--:|--:|--:|")
    ours = statistics.median(speeds["egret"])
    for name, values in speeds.items():
        median = statistics.median(values)
        print(
            f"| {name} | {sizes[name]} | {median:.2f} | {min(values):.2f} | {max(values):.2f} | {ours / median:.1f} |"
        )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scanner", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clean", type=Path)
    parser.add_argument("--speed-only", action="store_true")
    return parser.parse_args()


def main():
    asked = arguments()
    by_class = tools(asked.scanner.resolve())
    # One core for everything that is started from here.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="egret-compare-"))
    try:
        if not asked.speed_only:
            inputs = folder / "inputs"
            drawn = ["--samples", asked.samples, "--seed", asked.seed, "--write", inputs]
            ran, _ = run([asked.scanner.resolve(), *drawn])
            if ran.returncode != 0:
                sys.exit(ran.stderr)
            accuracy(by_class, inputs, asked.clean)
        source = asked.clean
        if source is None:
            source = folder / "prose"
            source.mkdir()
            prose(source)
        speed(by_class, asked.runs, source)
    finally:
        shutil.rmtree(folder)


main()
