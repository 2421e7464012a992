// Numbers about the work, shown by the host beside its own. They are summed up here and handed over once for each call,
// so that counting a row costs no call to the host. Natively they go nowhere.

import { host } from './host.js';

const metrics = new Set();

class Metric {
  #name;
  #kind;
  #handle;

  constructor(name, kind) {
    this.#name = name;
    this.#kind = kind;
    metrics.add(this);
  }

  /** The host's own, made when it is first needed. */
  handle() {
    this.#handle ??= new host[this.#kind](this.#name);
    return this.#handle;
  }
}

class Counter extends Metric {
  #sum = 0;

  add(n = 1) {
    if (!Number.isSafeInteger(n) || n < 0) throw new TypeError(`a counter takes a whole number from 0, not ${n}`);
    this.#sum += n;
  }

  flush() {
    if (this.#sum > 0) this.handle().add(BigInt(this.#sum));
    this.discard();
  }

  discard() {
    this.#sum = 0;
  }
}

class Gauge extends Metric {
  #value;

  set(value) {
    if (typeof value !== 'number') throw new TypeError(`a gauge takes a number, not ${value}`);
    this.#value = value;
  }

  flush() {
    if (this.#value !== undefined) this.handle().set(this.#value);
    this.discard();
  }

  discard() {
    this.#value = undefined;
  }
}

export const counter = (name) => new Counter(name, 'Counter');
export const gauge = (name) => new Gauge(name, 'Gauge');

/** Hands over what a call counted. */
export const flushMetrics = () => metrics.forEach((metric) => metric.flush());

/** Forgets what a call counted that failed. */
export const discardMetrics = () => metrics.forEach((metric) => metric.discard());
