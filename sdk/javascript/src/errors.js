// What goes wrong in an author's code, as the host is told: the place in the author's source first, then the message.

import { SourceLines } from './source-map.js';

/** Something outside may mend: the host tries the batch again a few times. */
export class Retry extends Error {
  name = 'Retry';
  isTransient = true;
}

/** This version of the plugin cannot go on: the step's circuit opens. */
export class Fatal extends Error {
  name = 'Fatal';
}

/** The configuration is wrong: one problem, or a list of `{ path, message }`. */
export class ConfigError extends Error {
  name = 'ConfigError';

  constructor(path, message) {
    const problems = Array.isArray(path) ? path : [{ path, message }];
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('; '));
    this.problems = problems;
  }
}

/** A value that a column does not take; its place is that of the declaration. */
export class ColumnError extends TypeError {
  name = 'TypeError';

  constructor(column, message) {
    super(`column \`${column.name}\` ${message}`);
    this.place = column.declaredAt;
  }
}

/** A frame of the engine's: `process@plugin.js:12:5`. */
const FRAME = /@plugin\.js:(\d+):(\d+)$/;

let known;

/** The places of this plugin's bundle; `build.mjs` puts the map there. */
function sourceLines() {
  const map = globalThis.millstreamSourceMap;
  known ??= map && new SourceLines(map);
  return known;
}

/** Where an error was thrown: the innermost place in the author's own files, as `plugin.js:12`; nothing if unknown. */
function authorsPlace({ stack }) {
  const lines = sourceLines();
  if (!lines || typeof stack !== 'string') return undefined;
  for (const frame of stack.split('\n')) {
    const [, line, column] = FRAME.exec(frame) ?? [];
    const found = line && lines.find(Number(line), Number(column));
    if (found?.source) return `${found.source}:${found.line}`;
  }
  return undefined;
}

/** An exception as one line: `plugin.js:12: TypeError: row.speed is null`. */
export function describeError(error) {
  if (!(error instanceof Error)) return `the plugin threw ${String(error)}`;
  const place = authorsPlace(error.place ?? error);
  const text = error.message ? `${error.name}: ${error.message}` : error.name;
  return place ? `${place}: ${text}` : text;
}

/** An exception as the ABI's error: some row is at fault, unless it says otherwise. */
export function toBatchError(error) {
  const tag = error instanceof Fatal ? 'fatal' : error?.isTransient ? 'retry' : 'bad-batch';
  return { tag, val: describeError(error) };
}

/** An exception of `configure` as the ABI's problems. */
export function toConfigProblems(error) {
  return error instanceof ConfigError ? error.problems : [{ path: '', message: describeError(error) }];
}
