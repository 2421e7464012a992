// The loop over the rows of a batch: it fills an object with a row's values, passes it to the author's function, and
// collects what is written and what is to become of the row. The loop is made as source text for the declared columns,
// so that the engine sees plain accesses to fields.

/** The row goes on, with what was written. */
export const keep = Object.freeze({ verdict: 'keep' });

/** The row ends here, and is counted. */
export const drop = Object.freeze({ verdict: 'drop' });

/** The row becomes a dead letter with this reason, which names column and rule, not the row's values. */
export class Rejection {
  constructor(reason) {
    this.reason = reason;
  }
}

export const reject = (reason) => new Rejection(reason);

/**
 * Makes `(columns, written, rows, process, context, emitter, outcome)`: `columns` holds an array of values for each of
 * `reads`, `written` one for each of `writes`; `outcome(row, verdict)` is told what `process` returned.
 */
export function compileLoop(reads, absent, writes) {
  const key = (declared) => JSON.stringify(declared.key);
  const beginning = new Map([
    ...absent.map((declared) => [key(declared), 'null']),
    ...writes.map((declared) => [key(declared), declared.column.isNullable ? 'null' : 'undefined']),
    ...reads.map((declared, number) => [key(declared), `read${number}[i]`]),
  ]);
  const fields = [...beginning.keys()].map((field) => `${field}: undefined`);
  const fill = [...beginning].map(([field, value]) => `row[${field}] = ${value};`);
  const take = writes.map((declared, number) => `write${number}[i] = row[${key(declared)}];`);
  const names = (prefix, declared) => declared.map((_, number) => prefix + number).join(', ');
  const parameters = ['columns', 'written', 'rows', 'process', 'context', 'emitter', 'outcome'];
  return new Function(...parameters, `'use strict';
    const [${names('read', reads)}] = columns;
    const [${names('write', writes)}] = written;
    const row = Object.preventExtensions({ ${fields.join(', ')} });
    for (let i = 0; i < rows; i++) {
      ${fill.join(' ')}
      emitter.parent = i;
      const verdict = process(row, context, emitter.emit);
      if (verdict !== undefined) outcome(i, verdict);
      ${take.join(' ')}
    }`);
}
