// A plugin that is configured for a stream, and what it does with a batch: columns in, the author's function over them,
// results out. The batch is the host's or one in memory (testing.js); nothing here knows which.

import { ColumnBatch, Written, lazyColumns } from './columnar.js';
import { parseConfig } from './config.js';
import { ConfigError, toConfigProblems } from './errors.js';
import { Emitter, Removed } from './outcome.js';
import { fit } from './plan.js';
import { compileLoop } from './rows.js';

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
    this.#loop = definition.process && compileLoop(fitted.reads, fitted.absent, fitted.writes);
  }

  get plan() {
    return this.#fitted.plan;
  }

  /** Processes one batch; `host` makes builders and takes what they hold. */
  process(batch, host) {
    const rows = batch.rows();
    const columns = lazyColumns(batch, rows, this.#fitted);
    const written = new Written(this.#fitted.writes, rows);
    const [removed, emitter] = [new Removed(rows), new Emitter(this.#definition.outputs)];
    if (this.#loop) this.#processRows(rows, columns, written, removed, emitter);
    else this.#definition.processBatch(new ColumnBatch(rows, columns, written, removed, emitter), this.#context);
    written.finish(batch, removed);
    if (this.#definition.rowPreserving && !removed.isEmpty) throw new TypeError('the plugin is `rowPreserving`, and removed a row');
    removed.apply(batch);
    emitter.apply(batch, host);
  }

  #processRows(rows, columns, written, removed, emitter) {
    const { process, prepare } = this.#definition;
    prepare?.({ rows, columns }, this.#context);
    const reads = this.#fitted.reads.map(({ key }) => columns[key]);
    const outcome = (row, verdict) => removed.take(row, verdict);
    this.#loop(reads, written.open(), rows, process, this.#context, emitter, outcome);
  }
}
