/** Runs a plugin natively, for unit tests of its own (`node --test`). `millstream plugin test` runs it in the real engine. */

import type { Plugin } from './index.js';

export interface Processed {
  /** The rows that go on, by names of columns. */
  rows: Record<string, any>[];
  /** Numbers of the rows that were dropped, from 0. */
  dropped: number[];
  rejected: { row: number; reason: string }[];
  /** Rows of outputs with the row that each continues; columns that are `inherited()` are not shown. */
  emitted: { row: number; output: string; values: Record<string, any> }[];
}

/**
 * Processes rows, which are objects by the names of the stream's columns; a field that is not there is null.
 *
 * @param options `config` is the example's if there is none; `input` names the stream
 */
export function processRows(plugin: Plugin, rows: Record<string, unknown>[], options?: { config?: object; input?: string }): Processed;
