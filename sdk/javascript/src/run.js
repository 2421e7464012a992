// A plugin that is configured for a stream, and what it does with a batch: columns in, the author's function over them,
// results out. The batch is the host's or one in memory (testing.js); nothing here knows which.

import { ColumnBatch, Written, columnsByKey, columnsRead } from './columnar.js';
import { parseConfig } from './config.js';
import { ConfigError, toConfigProblems } from './errors.js';
import { Emitter, Removed } from './outcome.js';
import { fit } from './plan.js';
import { compileLoop, rowValues } from './rows.js';

/**
 * Fits a plugin to its configuration and its input.
 *
 * @throws {ConfigError} with the problems of both
 */
export function configure(definition, config, inputs) {
  const problems = [];
  const noted = (check) => {
    try {
      return check();
    } catch (error) {
      problems.push(...toConfigProblems(error));
      return undefined;
    }
  };
  const context = noted(() => definition.configure(parseConfig(definition.schema, config)));
  const fitted = noted(() => fit(definition, inputs));
  if (problems.length > 0) throw new ConfigError(problems);
  return new Configured(definition, context, fitted);
}

class Configured {
  #definition;
  #context;
  #fitted;
  #loop;

  constructor(definition, context, fitted) {
    this.#definition = definition;
    this.#context = context;
    this.#fitted = fitted;
    this.#loop = definition.process && compileLoop(fitted, definition.outputs.length > 0);
  }

  get plan() {
    return this.#fitted.plan;
  }

  /** Processes one batch; `host` makes builders and takes what they hold. */
  process(batch, host) {
    const rows = batch.rows();
    const columns = columnsRead(batch, rows, this.#fitted.reads);
    const written = new Written(this.#fitted.writes, rows);
    const [removed, emitter] = [new Removed(rows), new Emitter(this.#definition.outputs)];
    if (this.#loop) this.#processRows(rows, columns, written, removed, emitter);
    else this.#definition.processBatch(new ColumnBatch(rows, columnsByKey(columns, rows, this.#fitted), written, removed, emitter), this.#context);
    written.finish(batch, removed);
    if (this.#definition.rowPreserving && !removed.isEmpty) throw new TypeError('the plugin is `rowPreserving`, and removed a row');
    removed.apply(batch);
    emitter.apply(batch, host);
  }

  #processRows(rows, columns, written, removed, emitter) {
    const { process, prepare } = this.#definition;
    prepare?.({ rows, columns: columnsByKey(columns, rows, this.#fitted) }, this.#context);
    const take = (row, verdict) => removed.take(row, verdict);
    const refuse = (number, value) => written.refuse(number, value);
    this.#loop(columns.map((column) => rowValues(column, rows)), written.open(), rows, process, this.#context, emitter, take, refuse);
  }
}
