// What an author writes, checked when the plugin is built: a wrong definition makes no component.

import { declared } from './columns.js';
import { closed } from './config.js';

/** Names the output whose rows continue in the stream, beside or instead of the row in hand. */
export const stream = Symbol('stream');

const KEYS = ['columns', 'outputs', 'config', 'exampleConfig', 'rowPreserving', 'configure', 'prepare', 'process', 'processBatch'];
const NO_KEYS = { type: 'object', properties: {} };

/** Checks a definition. Its parts are documented in index.d.ts. */
export function definePlugin(definition) {
  const unknown = Object.keys(definition).find((key) => !KEYS.includes(key));
  if (unknown) throw new TypeError(`definePlugin does not know \`${unknown}\`; it knows ${KEYS.join(', ')}`);
  const { columns = {}, outputs = {}, config: schema = NO_KEYS, exampleConfig = {}, rowPreserving = false } = definition;
  const { configure = (config) => config, prepare, process, processBatch } = definition;
  if ((typeof process === 'function') === (typeof processBatch === 'function')) {
    throw new TypeError('definePlugin needs one function: `process` for a row, or `processBatch` for a batch');
  }
  if (prepare && processBatch) throw new TypeError('`prepare` goes with `process`; `processBatch` sees the whole batch itself');
  return Object.freeze({
    columns: declared(columns, 'columns'),
    outputs: Reflect.ownKeys(outputs).map((key) => declaredOutput(key, outputs[key])),
    schema: closed(schema), exampleConfig, rowPreserving, configure, prepare, process, processBatch,
  });
}

function declaredOutput(key, columns) {
  if (typeof key === 'symbol' && key !== stream) throw new TypeError('the only symbol that names an output is `stream`');
  const name = key === stream ? undefined : key;
  const all = declared(columns, `outputs.${String(key)}`);
  // Written by their numbers among all columns, of which some are inherited.
  const numbered = all.map((declared, number) => ({ ...declared, number }));
  return { key, name, columns: all, written: numbered.filter(({ column }) => column.mode !== 'inherited') };
}
