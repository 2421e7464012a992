"""Checks what tests/bench/hour left: the tables against the city's own count, and the host's memory.

usage: hour.py DIR MILLSTREAM    (the tables are read with DuckDB)
"""

import json
import subprocess
import sys

import duckdb

STREAMS = ["vehicle", "gps", "traffic", "weather", "emergency"]


def files(millstream: str, table: str) -> list[str]:
    listed = subprocess.run([millstream, "tables", "files", table], check=True, capture_output=True, text=True)
    return listed.stdout.split()


def check_stream(stream: str, sent: dict, counted: dict, millstream: str) -> list[str]:
    """What is wrong with a stream; nothing, as it should be."""
    raw = files(millstream, f"raw.{stream}")
    rows, places, decoded, ids = duckdb.sql(
        f"""select count(*), count(distinct (_partition, _offset)), count(id), count(distinct id)
            from read_parquet({raw!r}, union_by_name=True)"""
    ).fetchone()
    dropped, dead = sum(counted["dropped"].values()), sum(counted["dead"].values())
    repeated = sent["faults"].get("duplicate", 0)
    print(
        f"{stream:10} sent {sent['sent']:>11,}  raw rows {rows:>11,}  ids {ids:>11,} of {decoded:,} messages that have one  "
        f"(duplicates sent {repeated:,})  out {counted['out']:,}  dropped {dropped:,}  dead {dead:,}"
    )
    wrong = {
        "rows are not the messages sent": rows == sent["sent"],
        "a message is there twice": places == rows,
        # A duplicate may itself be malformed, and then it repeats no id.
        "ids are missing": decoded - repeated <= ids <= decoded,
        "in is not what was sent": counted["in"] == sent["sent"],
        "in is not out + dropped + dead": counted["in"] == counted["out"] + dropped + dead,
    }
    return [f"{stream}: {what}" for what, right in wrong.items() if not right]


def check_memory(path: str) -> None:
    samples = [int(line) / 1024 for line in open(path)]
    third = max(len(samples) // 3, 1)
    median = lambda part: sorted(part)[len(part) // 2]
    print(
        f"memory of the host: median {median(samples[:third]):.0f} MiB in the first third, {median(samples[-third:]):.0f} MiB in the last,"
        f" at most {max(samples):.0f} MiB, {len(samples)} samples"
    )


def main(folder: str, millstream: str) -> None:
    sent = {topic["topic"]: topic for topic in json.load(open(f"{folder}/sent.json"))["topics"]}
    summary = json.load(open(f"{folder}/summary.json"))
    wrong = []
    for stream in STREAMS:
        wrong += check_stream(stream, sent[f"{stream}_data"], summary["streams"][stream], millstream)
    if summary["lag"] != 0:
        wrong.append(f"lag {summary['lag']} is left")
    check_memory(f"{folder}/memory")
    print(f"host: {summary['seconds']:.0f} s, {summary['records_per_second']:,.0f} records/s, lag {summary['lag']}")
    for stream, of in summary["streams"].items():
        print(f"  {stream}: produce to commit p50 {of['latency']['p50_ms']} ms, p99 {of['latency']['p99_ms']} ms")
    if wrong:
        sys.exit("WRONG: " + "; ".join(wrong))
    print(f"every one of {sum(topic['sent'] for topic in sent.values()):,} messages is there once")


main(*sys.argv[1:])
