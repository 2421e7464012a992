/**
 * Write Millstream plugins in JavaScript or TypeScript.
 *
 * ```js
 * import { definePlugin, float64, reject, text } from '@millstream/sdk';
 *
 * export default definePlugin({
 *   columns: {
 *     latitude: float64().named('location.lat').nullable(),
 *     speed: float64().write(),
 *     speeding: boolean().new(),
 *   },
 *   config: { type: 'object', properties: { limit: { type: 'number', default: 120 } } },
 *   process(row, { limit }) {
 *     if (row.speed < 0) return reject('`speed` is negative');
 *     row.speeding = row.speed > limit;
 *   },
 * });
 * ```
 *
 * A plugin keeps nothing that matters: an instance may be thrown away after any batch, and batches are cut as the host
 * likes. Variables of modules may hold what saves work, as a table or a cache. There is no clock, no randomness, no
 * file and no network (but see `@millstream/sdk/http`); `console` writes to the host's log.
 *
 * An exception makes a dead letter of the row that caused it, with file, line and message.
 */

/** What is written back, and whether it may be null, in the type of a row. */
type Mode = 'read' | 'written';

/** A declared column. Its methods return another declaration and leave this one as it is. */
export interface Column<T, M extends Mode = 'read'> {
  readonly __is?: [T, M];
  /** The name of the column, if it is not that of the field: `location.lat`, `_event_time`. */
  named(name: string): Column<T, M>;
  /** It may hold null. Without this, a column of the stream that may is refused at start-up. */
  nullable(): Column<T | null, M>;
  /** The stream may lack it: then it is null in every row. */
  optional(): Column<T | null, M>;
  /** Read, and written back. */
  write(): Column<T, 'written'>;
  /** Not read, but written: a new column, or one of another type in place of that of the same name. It begins as null if it may be, else it must be set in every row that goes on. */
  'new'(): Column<T, 'written'>;
  /** Read, and taken out of the stream. */
  drop(): Column<T, M>;
  /** Of an output: taken from the row that is continued, and not to be emitted. */
  inherited(): Column<T, 'read'>;
  /** Of int64 and timestamps: numbers in place of bigints. A value that no number holds exactly (beyond ±(2⁵³ - 1)) makes its row a dead letter. */
  asNumber(): T extends bigint | null ? Column<number | Extract<T, null>, M> : never;
}

export function boolean(): Column<boolean>;
/** From -2³¹ to 2³¹ - 1; others are refused, and so are fractions. */
export function int32(): Column<number>;
export function int64(): Column<bigint>;
/** Rounded to 32 bits when it is written. */
export function float32(): Column<number>;
export function float64(): Column<number>;
/** UTF-8. Half of a surrogate pair is written as U+FFFD. */
export function text(): Column<string>;
/** What was read is a view that must not be changed. */
export function binary(): Column<Uint8Array>;
/** Days since 1970-01-01: `new Date(days * 86_400_000)`. */
export function date(): Column<number>;
/** An instant: microseconds since 1970-01-01T00:00:00Z. As numbers they are exact until the year 2255. */
export function timestamp(): Column<bigint>;
/** A wall-clock time of a zone not stated: microseconds since 1970-01-01T00:00:00 on that clock. */
export function localTimestamp(): Column<bigint>;
/** Read as a view that must not be changed; written from any array of numbers. */
export function float64List(): Column<Float64Array | number[]>;
export function textList(): Column<(string | null)[]>;

export type Columns = Record<string, Column<any, any>>;

type ValueOf<C> = C extends Column<infer T, any> ? T : never;
type WrittenKeys<C extends Columns> = { [K in keyof C]: C[K] extends Column<any, 'written'> ? K : never }[keyof C];

/** The row in hand. The same object is used for the next row: keep values, not it. */
export type Row<C extends Columns> = { -readonly [K in WrittenKeys<C>]: ValueOf<C[K]> } & { readonly [K in Exclude<keyof C, WrittenKeys<C>>]: ValueOf<C[K]> };

/** A whole column: a typed array where the values are numbers (`BigInt64Array` for bigints) and none is null, else an array. It must not be changed. */
export type Values<T> = readonly T[] | ([T] extends [number | null] ? Float64Array | Float32Array | Int32Array : [T] extends [bigint | null] ? BigInt64Array : never);

/** The columns of a batch; each is fetched when it is first looked at. */
export type BatchColumns<C extends Columns> = { readonly [K in keyof C]: Values<ValueOf<C[K]>> };

export interface Verdict {
  readonly __verdict: never;
}
/** The row goes on, with what was written. So it does if nothing is returned. */
export const keep: Verdict;
/** The row ends here, and is counted. */
export const drop: Verdict;
/** The row becomes a dead letter. Reasons are counted one by one, so they say what is wrong with which column and do not contain the row's values. */
export function reject(reason: string): Verdict;

/** Names the output whose rows continue in the stream, behind the row in hand, or in its place if that is dropped. */
export const stream: unique symbol;

type Outputs = { [name: string]: Columns; [stream]?: Columns };

/** Emits a row into an output; columns that are `nullable()` may be left out. */
export type Emit = (output: string | typeof stream, values: Record<string, unknown>) => void;

/** A batch, for `processBatch`. Rows are numbered from 0. */
export interface Batch<C extends Columns> {
  readonly rows: number;
  readonly columns: BatchColumns<C>;
  /** Writes a column: a value for each row. A typed array of the column's own kind is taken as it is. */
  set<K extends WrittenKeys<C>>(key: K, values: ArrayLike<ValueOf<C[K]>>): void;
  /** The row ends here. */
  drop(row: number): void;
  /** The row becomes a dead letter. */
  reject(row: number, reason: string): void;
  /** Emits a row that continues row `parent`. */
  emit(output: string | typeof stream, parent: number, values: Record<string, unknown>): void;
}

interface Parts<C extends Columns, Config, Context> {
  /** The projection: a column that is not here never enters the plugin. */
  columns: C;
  /** Rows that the plugin makes: the columns of each output, by its name. */
  outputs?: Outputs;
  /**
   * JSON schema of the configuration, by which the host checks it; defaults are filled in. A key that `properties` does
   * not name is refused unless `additionalProperties` says otherwise. Without a schema there is nothing to configure.
   */
  config?: object;
  /** A configuration that works. Needed if the empty one does not. */
  exampleConfig?: object;
  /** True if no row is ever dropped or rejected and nothing is emitted: the host is told so. */
  rowPreserving?: boolean;
  /**
   * Makes of the checked configuration what `process` gets; without it, that is the configuration.
   *
   * @throws {ConfigError}
   */
  configure?(config: Config): Context;
}

export interface RowPlugin<C extends Columns, Config, Context> extends Parts<C, Config, Context> {
  /** Sees the columns of a batch before its rows are processed, to fetch what they need in one go (as with `sendMany`). */
  prepare?(batch: { readonly rows: number; readonly columns: BatchColumns<C> }, context: NoInfer<Context>): void;
  /** Processes one row. Only changes to fields that are `write()` or `new()` are kept. */
  process(row: Row<C>, context: NoInfer<Context>, emit: Emit): Verdict | void;
}

export interface BatchPlugin<C extends Columns, Config, Context> extends Parts<C, Config, Context> {
  /** Processes a batch by whole columns: the fast way. Every column that is `write()` or `new()` must be set. */
  processBatch(batch: Batch<C>, context: NoInfer<Context>): void;
}

export interface Plugin {
  readonly __plugin: never;
}

/** A plugin, to be the default export of the main module. What is wrong with it is found when it is built. */
export function definePlugin<C extends Columns, Config = any, Context = Config>(plugin: RowPlugin<C, Config, Context>): Plugin;
export function definePlugin<C extends Columns, Config = any, Context = Config>(plugin: BatchPlugin<C, Config, Context>): Plugin;

/** Something outside may mend: the host tries the batch again a few times. */
export class Retry extends Error {}

/** This version of the plugin cannot go on: the step's circuit opens, the pipeline does not stop. */
export class Fatal extends Error {}

/** The configuration is wrong. A path is that of the key: `zone`, `limits.speed`. */
export class ConfigError extends Error {
  constructor(path: string, message: string);
  constructor(problems: { path: string; message: string }[]);
}

/** A count that only rises; handed over once a call, and not if the call fails. */
export function counter(name: string): { add(n?: number): void };

/** A value that rises and falls; the last one of a call is handed over. */
export function gauge(name: string): { set(value: number): void };
