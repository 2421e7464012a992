// The loop over the rows of a batch: it fills an object with a row's values, passes it to the author's function, and
// puts what is written straight into buffers. The loop is made as source text for the declared columns, so that the
// engine, an interpreter, sees plain accesses to fields and arrays. It goes by bytes of the bitmaps, eight rows each.

import { ones } from './bitmap.js';

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

/** What the loop reads of a column: its values, and their validity as a bitmap. */
export function rowValues({ column, values, buffers }, rows) {
  return { values, valid: column.isNullable ? (buffers.valid ?? ones(rows)) : undefined };
}

/**
 * Makes `(columns, writers, rows, process, context, emitter, take, refuse)`: `columns` holds the {@link rowValues} of each of
 * `reads`, `writers` the ColumnWriter of each of `writes`; `take(row, verdict)` is told what `process` returned and says
 * whether the row goes on; `refuse(number, value)` throws for what column `number` of `writes` does not take.
 */
export function compileLoop({ reads, absent, writes }, emits) {
  const nullable = reads.map(({ column }, number) => (column.isNullable ? number : -1)).filter((number) => number >= 0);
  const read = ({ column }, number) => (column.isNullable ? `valid${number} & bit ? read${number}[i] : null` : `read${number}[i]`);
  const key = (declared) => JSON.stringify(declared.key);
  const beginning = new Map([
    ...absent.map((declared) => [key(declared), 'null']),
    ...writes.map((declared) => [key(declared), declared.column.isNullable ? 'null' : 'undefined']),
    ...reads.map((declared, number) => [key(declared), read(declared, number)]),
  ]);
  const put = ({ key, column }, number) => {
    const refuse = `refuse(${number}, value);`;
    const other = column.isNullable ? `if (value === null) nulls${number}.push(i); else ${refuse}` : refuse;
    return `value = row[${JSON.stringify(key)}]; if (!(${column.type.put(`write${number}`)})) { ${other} }`;
  };
  const lines = {
    columns: reads.map((_, number) => `const { values: read${number}, valid: bits${number} } = columns[${number}];`),
    writers: writes.map((_, number) => `const { target: write${number}, nulls: nulls${number} } = writers[${number}];`),
    fields: [...beginning.keys()].map((field) => `${field}: undefined`),
    bytes: nullable.map((number) => `const valid${number} = bits${number}[byte];`),
    fill: [...beginning].map(([field, value]) => `row[${field}] = ${value};`),
    parent: emits ? ['emitter.parent = i;'] : [],
    take: writes.map(put),
  };
  const parameters = ['columns', 'writers', 'rows', 'process', 'context', 'emitter', 'take', 'refuse'];
  return new Function(...parameters, `'use strict';
    ${lines.columns.join(' ')}
    ${lines.writers.join(' ')}
    const { emit } = emitter;
    const row = Object.preventExtensions({ ${lines.fields.join(', ')} });
    let value;
    for (let i = 0, byte = 0; i < rows; byte++) {
      const end = Math.min(rows, i + 8);
      ${lines.bytes.join(' ')}
      for (let bit = 1; i < end; i++, bit <<= 1) {
        ${lines.fill.join(' ')}
        ${lines.parent.join('')}
        const verdict = process(row, context, emit);
        if (verdict !== undefined && !take(i, verdict)) continue;
        ${lines.take.join(' ')}
      }
    }`);
}
