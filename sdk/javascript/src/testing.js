// Runs a plugin natively over rows in memory, for an author's own unit tests (`node --test`). Rows go in as objects by
// the names of the stream's columns; what became of them comes out. The real engine is `millstream plugin test`.

import * as bitmap from './bitmap.js';
import { configure } from './run.js';
import { decode, encode } from './types.js';

/** Processes rows. The options are documented in testing.d.ts. */
export function processRows(definition, rows, { config = definition.exampleConfig, input = 'input' } = {}) {
  const has = ({ column }) => !column.isOptional || rows.some((row) => column.name in row);
  const fields = definition.columns.filter((declared) => declared.column.isRead && has(declared)).map(({ column }) => column.field);
  const configured = configure(definition, JSON.stringify(config), [{ name: input, fields }]);
  const batch = new MemoryBatch(configured.plan, definition, rows);
  configured.process(batch, batch.host());
  return batch.outcome();
}

/** Answers `readFloat64(0)` and the like from rows, and keeps what is written. */
class MemoryBatch {
  constructor(plan, definition, rows) {
    Object.assign(this, { plan: plan.inputs[0], rowsIn: rows, written: [], rejected: [], emitted: [], mask: bitmap.ones(rows.length) });
    const typeOf = (field, isUsed) => definition.columns.find(({ column }) => column.name === field.name && isUsed(column)).column.type;
    this.readTypes = this.plan.reads.map((field) => typeOf(field, (column) => column.isRead));
    this.writeTypes = this.plan.writes.map((field) => typeOf(field, (column) => column.isWritten));
    this.outputs = definition.outputs;
    for (const { suffix } of this.readTypes) this[`read${suffix}`] = (number) => this.#read(number);
    for (const { suffix } of this.writeTypes) this[`write${suffix}`] = (number, buffers) => this.#write(number, buffers);
  }

  rows() {
    return this.rowsIn.length;
  }

  #read(number) {
    const { name } = this.plan.reads[number];
    return encode(this.readTypes[number], this.rowsIn.map((row) => row[name] ?? null));
  }

  #write(number, buffers) {
    this.written[number] = decode(this.writeTypes[number], buffers, this.rowsIn.length);
  }

  keep(mask) {
    this.mask = mask;
  }

  reject(rows, reason) {
    for (const row of rows) this.rejected.push({ row, reason });
  }

  /** The rest of what a plugin needs of a host: builders and where their rows go. */
  host() {
    const { outputs } = this;
    const emit = ({ output, parents, columns }) => {
      parents.forEach((row, index) => {
        const values = output.written.map(({ column, number }) => [column.name, columns[number][index]]);
        this.emitted.push({ row, output: output.name ?? 'stream', values: Object.fromEntries(values) });
      });
    };
    class Builder {
      constructor(number, rows) {
        Object.assign(this, { output: outputs[number], rows, columns: [] });
        for (const { column } of this.output.written) {
          this[`write${column.type.suffix}`] = (number, buffers) => {
            this.columns[number] = decode(this.output.columns[number].column.type, buffers, rows);
          };
        }
      }

      gather(_source, parents) {
        this.parents = [...parents];
      }
    }
    return { Builder, emit };
  }

  outcome() {
    const kept = this.rowsIn.map((_, row) => row).filter((row) => bitmap.isSet(this.mask, row));
    const isRejected = (row) => this.rejected.some((rejected) => rejected.row === row);
    const dropped = this.rowsIn.map((_, row) => row).filter((row) => !kept.includes(row) && !isRejected(row));
    this.rejected.sort((left, right) => left.row - right.row);
    return { rows: kept.map((row) => this.#rowOut(row)), dropped, rejected: this.rejected, emitted: this.emitted };
  }

  #rowOut(row) {
    const values = { ...this.rowsIn[row] };
    for (const name of this.plan.drops) delete values[name];
    this.plan.writes.forEach(({ name }, number) => (values[name] = this.written[number][row]));
    return values;
  }
}
