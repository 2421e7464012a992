// How an author declares a column: `float64().named('location.lat').nullable().write()`. Declarations do not change;
// each method returns another one.

import * as types from './types.js';

/** A declared column. Its methods are documented in index.d.ts. */
export class Column {
  constructor(type, fields = {}) {
    Object.assign(this, { type, name: undefined, mode: 'read', isNullable: false, isOptional: false, declaredAt: new Error('declared'), ...fields });
    Object.freeze(this);
  }

  #with(fields) {
    return new Column(fields.type ?? this.type, { ...this, ...fields });
  }

  named(name) {
    return this.#with({ name });
  }

  nullable() {
    return this.#with({ isNullable: true });
  }

  optional() {
    return this.#with({ isOptional: true, isNullable: true });
  }

  write() {
    return this.#with({ mode: 'write' });
  }

  new() {
    return this.#with({ mode: 'new' });
  }

  drop() {
    return this.#with({ mode: 'drop' });
  }

  inherited() {
    return this.#with({ mode: 'inherited' });
  }

  asNumber() {
    if (this.type.suffix !== 'Int64') throw new TypeError('only int64, timestamp and localTimestamp have `asNumber`');
    return this.#with({ type: types.asNumbers(this.type) });
  }

  get isRead() {
    return this.mode !== 'new';
  }

  get isWritten() {
    return this.mode === 'write' || this.mode === 'new';
  }

  /** As the plan has it. */
  get field() {
    return { name: this.name, ty: this.type.ty, nullable: this.isNullable };
  }
}

const declare = (type) => () => new Column(type);

export const boolean = declare(types.boolean);
export const int32 = declare(types.int32);
export const int64 = declare(types.int64);
export const float32 = declare(types.float32);
export const float64 = declare(types.float64);
export const text = declare(types.text);
export const binary = declare(types.binary);
export const date = declare(types.date);
export const timestamp = declare(types.timestamp);
export const localTimestamp = declare(types.localTimestamp);
export const float64List = declare(types.float64List);
export const textList = declare(types.textList);

/** The declarations of an object, each with its key and the name of its column: the key, if it states none. */
export function declared(columns, where) {
  return Object.entries(columns).map(([key, column]) => {
    if (!(column instanceof Column)) throw new TypeError(`${where}.${key} is no column: declare it by a function as \`float64()\``);
    return { key, column: column.name === undefined ? column.named(key) : column };
  });
}
