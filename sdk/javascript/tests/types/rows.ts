// What the declarations say of rows: compiled, never run. A line under `@ts-expect-error` must not compile.

import { boolean, date, definePlugin, drop, float64, int64, keep, reject, stream, text, timestamp } from '@millstream/sdk';
import { sendMany } from '@millstream/sdk/http';
import { processRows } from '@millstream/sdk/testing';

const plugin = definePlugin({
  columns: {
    speed: float64().write(),
    id: int64().asNumber(),
    at: timestamp().nullable(),
    name: text().optional(),
    fast: boolean().new(),
    day: date(),
  },
  outputs: { alerts: { kind: text() }, [stream]: { speed: float64() } },
  configure: (config: { limit: number }) => config.limit,
  prepare({ columns }) {
    sendMany(Array.from(columns.name, (name) => `https://example.com/${name}`)).map((answer) => answer instanceof Error || answer.status);
  },
  process(row, limit, emit) {
    const [id, at, name]: [number, bigint | null, string | null] = [row.id, row.at, row.name];
    row.speed *= limit;
    row.fast = id > 0 && at !== null && name !== null;
    // @ts-expect-error: it is only read
    row.id = 3;
    // @ts-expect-error: no such column
    row.nothing = 3;
    // @ts-expect-error: another type
    row.fast = 'yes';
    emit('alerts', { kind: 'fast' });
    emit(stream, { speed: 1 });
    return row.speed > 3 ? drop : row.speed > 2 ? reject('`speed` is above 2') : keep;
  },
});
processRows(plugin, [{ speed: 1 }]).rows.length;

definePlugin({
  columns: { speed: float64().write(), make: text() },
  processBatch(batch) {
    batch.set('speed', Float64Array.from(batch.columns.speed, (speed) => speed * 2));
    // @ts-expect-error: it is only read
    batch.set('make', []);
    batch.reject(0, '`speed` is negative');
  },
});

definePlugin({ columns: { speed: float64() }, process: ({ speed }) => (speed > 1 ? undefined : drop) });

// @ts-expect-error: neither `process` nor `processBatch`
definePlugin({ columns: { speed: float64() } });

// @ts-expect-error: only bigints
text().asNumber().nullable();
