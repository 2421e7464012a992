"""Runs what tests/bench/day has laid out until all is read and merged, and reports the files of the day.

usage: day.py DIR MILLSTREAM
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import duckdb

DAY = "2026-01-01"
SMALL = 64_000_000
# Looks at the run without a merge, after which there is none left to come; a look of the run is every 10 s.
QUIET_SECONDS = 30


def status(address: str) -> dict:
    return json.load(urllib.request.urlopen(f"{address}/status", timeout=30))


def cpu_of_thread(pid: int, name: str) -> float:
    """Seconds of CPU time of the process's thread of this name."""
    for task in os.listdir(f"/proc/{pid}/task"):
        fields = open(f"/proc/{pid}/task/{task}/stat").read()
        if f"({name})" in fields:
            user, system = fields.rsplit(")", 1)[1].split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def run(folder: str, millstream: str) -> dict:
    """What the run says of itself once nothing is left to read and to merge."""
    log = open(f"{folder}/host.log", "w+")
    command = [millstream, "run", "--config", f"{folder}/millstream.toml", "--listen", "127.0.0.1:0"]
    host = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)
    try:
        return watch(host, f"{folder}/host.log")
    finally:
        host.send_signal(signal.SIGTERM)
        host.wait()


def watch(host: subprocess.Popen, log: str) -> dict:
    began, caught_up, changed, merges, files_most = time.time(), None, time.time(), -1, 0
    while True:
        time.sleep(1)
        assert host.poll() is None, open(log).read()
        address = re.search(r"serving (http://\S+)", open(log).read())
        if not address:
            continue
        now = status(address[1])
        files_most = max([files_most] + [table["files"] for table in now["tables"].values()])
        if now["merges"]["merges"] != merges:
            merges, changed = now["merges"]["merges"], time.time()
        if now["source"]["lag"] == 0 and caught_up is None:
            caught_up = time.time()
        if caught_up and time.time() - max(changed, caught_up) > QUIET_SECONDS:
            seconds = {"read": caught_up - began, "merged": max(changed, caught_up) - began}
            cpu = {"merge": cpu_of_thread(host.pid, "merge"), "process": sum(os_times(host.pid))}
            return now | {"seconds": seconds, "cpu": cpu, "files_most": files_most}


def os_times(pid: int) -> list[float]:
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13]
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]


def main(folder: str, millstream: str) -> None:
    sent = sum(topic["sent"] for topic in json.load(open(f"{folder}/sent.json"))["topics"])
    now = run(folder, millstream)
    too_many = []
    raw_rows = 0
    for table in sorted(now["tables"]):
        command = [millstream, "tables", "files", table, "--json", "--config", f"{folder}/millstream.toml"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        files = [json.loads(line) for line in listed.splitlines()]
        if table.startswith("raw."):
            places = "select count(*), count(distinct (_partition, _offset)) from read_parquet($1)"
            rows, distinct = duckdb.execute(places, [[file["path"] for file in files]]).fetchone()
            assert rows == distinct, f"{table}: {rows} rows of {distinct} messages"
            raw_rows += rows
        of_day = [file for file in files if file["partition"]["day"] == DAY]
        small = [file for file in of_day if file["bytes"] < SMALL]
        dayless = sum(file["partition"]["day"] is None for file in files)
        size = sum(file["bytes"] for file in of_day)
        print(f"{table:22} {len(of_day):3} files, {len(small):3} of them under 64 MB, {size / 1e6:8.1f} MB; {dayless:3} without a day")
        too_many += [table] if len(small) > 20 else []
    merges, uploads = now["merges"], now["uploads"]
    print(f"{sent:,} messages, {raw_rows:,} rows in raw tables, each message once; at most {now['files_most']} files of a table at a time")
    print(f"read after {now['seconds']['read']:.0f} s, merged after {now['seconds']['merged']:.0f} s")
    print(
        f"tasks wrote {uploads['files']:,} files of {uploads['bytes'] / 1e6:.1f} MB; {merges['merges']:,} merges took {merges['files']:,} files "
        f"of {merges['bytes_read'] / 1e6:.1f} MB and wrote {merges['bytes_written'] / 1e6:.1f} MB: "
        f"a byte was written {1 + merges['bytes_written'] / uploads['bytes']:.2f} times"
    )
    cpu = now["cpu"]
    print(f"CPU: {cpu['process']:.1f} s in all, {cpu['merge']:.1f} s in the merging thread; it was busy for {merges['busy_seconds']:.1f} s")
    assert raw_rows == sent, f"{sent - raw_rows} messages are missing"
    if too_many:
        sys.exit(f"more than 20 files under 64 MB: {', '.join(too_many)}")


main(*sys.argv[1:])
