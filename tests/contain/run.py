"""Misbehaving plugins beside a good one; tests/contain/run starts it and says what it measures."""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
import urllib.request

import duckdb

KINDS = [
    "traps", "loops", "memory", "stack", "too-much-output", "not-utf8", "wrong-number", "host-calls", "log-flood", "slow",
]
# Kinds whose every row is good.
INNOCENT = {"double", "log-flood", "slow"}
# One row in so many is guilty.
GUILTY_EVERY = 10_000
# Share of the capacity at which streams are fed.
LOAD = 0.3
# What the good stream may lose, and what the memory may grow by, in shares.
LOSS_MAX, GROWTH_MAX = 0.10, 0.10
# Messages that the capacity is measured with.
CALIBRATION = 400_000
PATIENCE = 120.0

CONFIGURATION = """
[lake]
url = "lake"
[source.kafka]
brokers = "{brokers}"
group = "{group}"
[checkpoint]
interval = "1s"
[worker]
threads = 2
"""
STREAM = """
[streams.{name}]
topic = "{topic}"
[streams.{name}.schema]
n = {{ type = "int64", required = true }}
[[streams.{name}.steps]]
plugin = "misbehave"
config = {{ mode = "{mode}" }}
"""


def record(folder: str, topic: str):
    """A recording of one pass: every GUILTY_EVERY-th number is negative."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{topic}.jsonl", "w") as lines:
        for n in range(1, GUILTY_EVERY + 1):
            lines.write(f'{{"n":{-n if n == GUILTY_EVERY // 2 else n}}}\n')


class Case:
    """A worker with a lake and topics of its own."""

    def __init__(self, settings, name: str, mode: str):
        self.settings, self.folder = settings, f"{settings.dir}/{name}"
        self.topics = {"good": f"{name}-good", "bad": f"{name}-bad"}
        os.makedirs(f"{self.folder}/plugins")
        shutil.copy(settings.guest, f"{self.folder}/plugins/misbehave.wasm")
        if mode == "loops":
            # Finding a guilty row costs some dozen deadlines.
            with open(f"{self.folder}/plugins/misbehave.toml", "w") as limits:
                limits.write('[limits]\ndeadline = "100ms"\n')
        text = CONFIGURATION.format(brokers=settings.brokers, group=name)
        for stream, of in [("good", "double"), ("bad", mode)]:
            text += STREAM.format(name=stream, topic=self.topics[stream], mode=of)
            topic = ["scripts/kafka", "topic", settings.kafka, self.topics[stream], "--partitions", "2"]
            subprocess.run(topic, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            record(f"{self.folder}/recording", self.topics[stream])
        with open(f"{self.folder}/millstream.toml", "w") as configuration:
            configuration.write(text)

    def millstream(self, *arguments: str):
        program = f"{self.settings.binaries}/millstream"
        return [program, *arguments], dict(os.environ, MILLSTREAM_CONFIG=f"{self.folder}/millstream.toml")

    def send(self, *pace: str) -> subprocess.Popen:
        """Sends both topics' recordings again and again."""
        program = f"{self.settings.binaries}/millstream-simulator"
        command = [program, "replay", "--from", f"{self.folder}/recording", "--fresh-ids=false"]
        command += ["--brokers", self.settings.brokers, "--partitions", "2", *pace]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def catch_up(self) -> float:
        """Reads everything; gives the messages a second."""
        command, environment = self.millstream("run", "--until-caught-up", "--json")
        began = time.monotonic()
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return 2 * CALIBRATION / (time.monotonic() - began)

    def run(self) -> dict:
        """Runs beside a sender for a while; gives what the good stream did and what was blamed."""
        log = open(f"{self.folder}/run.log", "w")
        command, environment = self.millstream("run", "--listen", "127.0.0.1:0")
        worker = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=log, stderr=log)
        url = self.wait_for(lambda: self.address(worker))
        sender = self.send("--rate", str(2 * self.settings.rate), "--for", f"{self.settings.seconds}s")
        memory = []
        while sender.poll() is None:
            memory.append(resident(worker.pid))
            time.sleep(0.2)
        sent = self.settings.rate * self.settings.seconds
        status = json.load(urllib.request.urlopen(url + "/status"))
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        good = next(stream for stream in status["streams"] if stream["name"] == "good")
        half = memory[len(memory) // 4 : len(memory) // 2] or memory
        return {
            "committed": good["committed"]["in"] / sent,
            "p50_ms": good["latency"]["p50_ms"],
            "p99_ms": good["latency"]["p99_ms"],
            "growth": max(memory[-max(len(memory) // 4, 1) :]) / max(half) - 1,
            "code": worker.returncode,
            **self.blamed(),
        }

    def address(self, worker):
        if worker.poll() is not None:
            raise SystemExit(f"the worker ended: see {self.folder}/run.log")
        with open(f"{self.folder}/run.log") as lines:
            found = [line for line in lines if "serving http://" in line]
        return found and "http://" + found[0].split("http://")[1].strip()

    @staticmethod
    def wait_for(look):
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            if time.monotonic() > end:
                raise SystemExit("the worker does not become ready")
            time.sleep(0.02)
        return found

    def files(self, table: str) -> list:
        """Live files of a table; none if there is no such table, which nothing tells from other failures."""
        command, environment = self.millstream("tables", "files", table)
        listed = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True)
        return listed.stdout.split()

    def blamed(self) -> dict:
        """Dead letters by whether their number is negative, and guilty rows that were processed all the same."""
        numbers = "cast(json_extract(decode(_value), '$.n') as bigint)"
        letters, raw = self.files("dead_letters"), self.files("raw.bad")
        count = lambda query, files: duckdb.execute(query, [files]).fetchone()[0] if files else 0
        return {
            "guilty_dead": count(f"select count(*) from read_parquet($1) where {numbers} < 0", letters),
            "innocent_dead": count(f"select count(*) from read_parquet($1) where {numbers} >= 0", letters),
            "guilty": count("select count(*) from read_parquet($1) where n < 0", raw),
            "rows": count("select count(*) from read_parquet($1)", raw),
        }


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spin():
    while True:
        pass


def wrong(mode: str, figures: dict, baseline: dict | None) -> list:
    """What is not as it must be."""
    found = []
    guilty = 0 if mode in INNOCENT else figures["guilty"]
    if figures["innocent_dead"] > 0:
        found.append(f"{figures['innocent_dead']} good rows are dead letters")
    if figures["guilty_dead"] != guilty:
        found.append(f"{figures['guilty_dead']} of {guilty} guilty rows are dead letters")
    if figures["rows"] == 0:
        found.append("the misbehaving stream did nothing")
    if figures["code"] != 0:
        found.append(f"the worker ended with {figures['code']}")
    if baseline:
        if figures["committed"] < baseline["committed"] * (1 - LOSS_MAX):
            found.append(f"throughput {figures['committed']:.3f} of what was sent, before {baseline['committed']:.3f}")
        if figures["p99_ms"] > baseline["p99_ms"] * (1 + LOSS_MAX):
            found.append(f"p99 {figures['p99_ms']} ms, before {baseline['p99_ms']} ms")
        if figures["growth"] > GROWTH_MAX:
            found.append(f"memory grew by {figures['growth']:.0%}")
    return found


def main():
    options = argparse.ArgumentParser()
    for name in ["dir", "brokers", "kafka", "binaries", "guest"]:
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, help="messages a second of each stream")
    options.add_argument("--only", action="append", choices=[*KINDS, "overloaded"])
    settings = options.parse_args()
    kinds = settings.only or [*KINDS, "overloaded"]
    if not settings.rate:
        calibration = Case(settings, "capacity", "double")
        calibration.send("--as-fast-as-possible", "--loops", str(CALIBRATION // GUILTY_EVERY)).wait()
        settings.rate = int(LOAD * calibration.catch_up() / 2)
    print(f"{settings.rate} messages a second of each stream, {settings.seconds} s each", flush=True)
    baseline = Case(settings, "baseline", "double").run()
    print("baseline", json.dumps(baseline), flush=True)
    failures, letters, worst = wrong("double", baseline, None), 0, 0.0
    for kind in kinds:
        is_overloaded = kind == "overloaded"
        spinning = [multiprocessing.Process(target=spin, daemon=True) for _ in range(4 * os.cpu_count() * is_overloaded)]
        for process in spinning:
            process.start()
        mode = "traps" if is_overloaded else kind
        figures = Case(settings, kind, mode).run()
        for process in spinning:
            process.terminate()
        found = wrong(mode, figures, None if is_overloaded else baseline)
        print(kind, json.dumps(figures), *found, flush=True)
        failures += [f"{kind}: {what}" for what in found]
        letters += figures["guilty_dead"]
        if not is_overloaded:
            worst = max(worst, figures["p99_ms"] / max(baseline["p99_ms"], 1) - 1)
    verdict = "; ".join(failures) or "all contained"
    print(f"contain: {len(kinds)} kinds, {letters} guilty rows found, p99 at worst {worst:+.0%}: {verdict}")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
