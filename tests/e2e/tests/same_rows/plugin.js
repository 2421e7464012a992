// Every type of column, with and without nulls, read and written back by a function of rows.

import {
  binary, boolean, date, definePlugin, drop, float32, float64, float64List, int32, int64, localTimestamp, reject, text, textList,
  timestamp,
} from '@millstream/sdk';

const types = {
  flag: boolean(), small: int32(), large: int64(), single: float32(), double: float64(), text: text(), blob: binary(), day: date(),
  at: timestamp(), wall: localTimestamp(), numbers: float64List(), words: textList(),
};
const written = Object.entries(types).map(([name, column]) => [name, column.write()]);
const nullable = Object.entries(types).map(([name, column]) => [`maybe_${name}`, column.nullable().write()]);

export default definePlugin({
  columns: { verdict: int32(), ...Object.fromEntries([...written, ...nullable]) },
  process({ verdict }) {
    if (verdict === 1) return reject('turned away');
    if (verdict === 2) return drop;
  },
});
