"""Measures how long partitions stand still through a rebalance; tests/bench/rebalance starts it.

usage: rebalance.py DIR MILLSTREAM BROKERS MODE...
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

TOPICS = ["left", "right"]
PARTITIONS = 6
MODES = {"static": 'membership = "static"', "dynamic": 'membership = "dynamic"', "consumer": 'protocol = "consumer"'}
# Time between two looks at a worker: what is measured is no finer than that.
GLANCE = 0.05
# How long everything must have gone on before an event and after it, and what still counts as going on.
CALM = 3.0
PAUSE = 1.0
PATIENCE = 120.0


class Producer(threading.Thread):
    """Sends a message to every partition all the time, by Kafka's own console producer."""

    def __init__(self, folder: str, topic: str):
        super().__init__(daemon=True)
        script = ["scripts/kafka", "console-producer", folder, topic, "--property", "parse.key=true", "--timeout", "20"]
        self.process = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        self.ended = False

    def run(self):
        number = 0
        while not self.ended:
            for _ in range(60):
                self.process.stdin.write(f'key-{number}\t{{"id":{number}}}\n')
                number += 1
            self.process.stdin.flush()
            time.sleep(GLANCE)

    def stop(self):
        self.ended = True
        self.join()
        self.process.stdin.close()
        self.process.wait()


class Worker:
    """A run of `millstream` with a port of its own."""

    def __init__(self, name: str, millstream: str, config: str):
        self.name = name
        self.log = open(f"{os.path.dirname(config)}/{name}.log", "a")
        environment = dict(os.environ, MILLSTREAM_WORKER__NAME=name, MILLSTREAM_CONFIG=config)
        begin = self.log.tell()
        self.process = subprocess.Popen(
            [millstream, "run", "--listen", "127.0.0.1:0"], stderr=self.log, stdout=subprocess.DEVNULL, env=environment
        )
        while True:
            with open(self.log.name) as lines:
                lines.seek(begin)
                found = [line for line in lines if "serving http://" in line]
            if found:
                self.url = "http://" + found[0].split("http://")[1].strip()
                return
            if self.process.poll() is not None:
                raise SystemExit(f"{name} ended: see {self.log.name}")
            time.sleep(0.01)

    def positions(self) -> dict:
        try:
            with urllib.request.urlopen(self.url + "/status", timeout=1) as answer:
                partitions = json.load(answer)["source"]["partitions"]
        except OSError:
            return {}
        return {(at["topic"], at["partition"]): at["position"] for at in partitions}

    def end(self, how: signal.Signals):
        self.process.send_signal(how)
        self.process.wait()


class Watch(threading.Thread):
    """Notes when each partition went on, and who reads it."""

    def __init__(self, workers: dict):
        super().__init__(daemon=True)
        self.workers, self.ended = workers, False
        self.reached, self.moved, self.owner = {}, {}, {}

    def run(self):
        while not self.ended:
            for worker in list(self.workers.values()):
                for partition, position in worker.positions().items():
                    self.owner[partition] = worker.name
                    if position > self.reached.get(partition, -1):
                        self.reached[partition] = position
                        self.moved.setdefault(partition, []).append(time.monotonic())
            time.sleep(GLANCE)

    def is_calm(self, since: float) -> bool:
        """All partitions went on lately, and nothing has stood still for the last while."""
        now = time.monotonic()
        times = [self.moved.get((topic, number), [0]) for topic in TOPICS for number in range(PARTITIONS)]
        return now - since > CALM and all(self.longest(of, now - CALM, now) < PAUSE for of in times)

    @staticmethod
    def longest(times: list, begin: float, end: float) -> float:
        inside = [at for at in list(times) if begin <= at <= end]
        edges = [begin, *inside, end]
        return max(b - a for a, b in zip(edges, edges[1:]))

    def wait_until_calm(self, workers: int) -> float:
        since = time.monotonic()
        while not self.is_calm(since) or len(set(self.owner.values())) != workers:
            if time.monotonic() - since > PATIENCE:
                raise SystemExit(f"no calm after {PATIENCE} s: {self.owner}")
            time.sleep(GLANCE)
        return time.monotonic()


def event(watch: Watch, what: str, worker: str, workers: int, act):
    """Does something to a worker and prints how long its partitions, and those of others, stood still."""
    before = {partition for partition, name in watch.owner.items() if name == worker}
    begin = time.monotonic()
    act()
    end = watch.wait_until_calm(workers)
    own = before | {partition for partition, name in watch.owner.items() if name == worker}
    still = {partition: watch.longest(times, begin, end) for partition, times in watch.moved.items()}

    def summary(partitions) -> str:
        times = [still[partition] for partition in partitions]
        return f"{statistics.median(times):6.1f} {max(times):6.1f}" if times else f"{'':13}"

    print(f"  {what:34} {summary(own)}      {summary(still.keys() - own)}", flush=True)


def measure(mode: str, folder: str, millstream: str, brokers: str):
    base = f"{folder}/{mode}"
    os.makedirs(base)
    config = f"{base}/millstream.toml"
    streams = "".join(f'[streams.{t}]\ntopic = "{t}-{mode}"\nschema = {{ id = "int64" }}\n' for t in TOPICS)
    with open(config, "w") as file:
        file.write(
            f'[lake]\nurl = "lake"\n[source.kafka]\nbrokers = "{brokers}"\ngroup = "{mode}"\n{MODES[mode]}\n'
            f'[checkpoint]\ninterval = "500ms"\n[worker]\nthreads = 1\n{streams}'
        )
    topics = [f"{topic}-{mode}" for topic in TOPICS]
    for topic in topics:
        subprocess.run(
            ["scripts/kafka", "topic", f"{folder}/kafka", topic, "--partitions", str(PARTITIONS)],
            check=True, stderr=subprocess.DEVNULL,
        )
    global_topics, TOPICS[:] = list(TOPICS), topics
    producers = [Producer(f"{folder}/kafka", topic) for topic in topics]
    workers = {}
    watch = Watch(workers)
    [producer.start() for producer in producers]

    def start(name: str):
        workers[name] = Worker(name, millstream, config)

    def end(name: str, how: signal.Signals):
        workers.pop(name).end(how)
        watch.owner = {partition: owner for partition, owner in watch.owner.items() if owner != name}

    def again(name: str, how: signal.Signals):
        end(name, how)
        start(name)

    print(f"{mode}\n  {'event':34} its own: p50, max   others: p50, max, seconds")
    watch.start()
    try:
        start("a")
        watch.wait_until_calm(1)
        start("b")
        watch.wait_until_calm(2)
        event(watch, "a third worker joins", "c", 3, lambda: start("c"))
        event(watch, "SIGTERM, started again", "c", 3, lambda: again("c", signal.SIGTERM))
        event(watch, "kill -9, started again", "c", 3, lambda: again("c", signal.SIGKILL))
        event(watch, "SIGINT: it leaves", "c", 2, lambda: end("c", signal.SIGINT))
        event(watch, "kill -9, not started again", "b", 1, lambda: end("b", signal.SIGKILL))
    finally:
        watch.ended = True
        watch.join()
        [producer.stop() for producer in producers]
        [worker.end(signal.SIGTERM) for worker in workers.values()]
        TOPICS[:] = global_topics


if __name__ == "__main__":
    folder, millstream, brokers, *modes = sys.argv[1:]
    for mode in modes:
        measure(mode, folder, millstream, brokers)
