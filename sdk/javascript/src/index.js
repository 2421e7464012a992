// Write Millstream plugins in JavaScript: what authors import. The documentation is in index.d.ts.

export {
  binary, boolean, date, float32, float64, float64List, int32, int64, localTimestamp, text, textList,
  timestamp,
} from './columns.js';
export { definePlugin, stream } from './definition.js';
export { ConfigError, Fatal, Retry } from './errors.js';
export { counter, gauge } from './metrics.js';
export { drop, keep, reject } from './rows.js';
