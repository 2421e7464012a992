// What becomes of rows: values of every type, verdicts, emitted rows, and what is said when something does not fit.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ConfigError, binary, boolean, date, definePlugin, drop, float32, float64, float64List, int32, int64, keep, localTimestamp, reject,
  stream, text, textList, timestamp,
} from '../src/index.js';
import { configure } from '../src/run.js';
import { processRows } from '../src/testing.js';

const EVERY_TYPE = { boolean, int32, int64, float32, float64, text, binary, date, timestamp, localTimestamp, float64List, textList };

const SAMPLES = {
  boolean: [true, false], int32: [-2147483648, 2147483647], int64: [-(2n ** 63n), 2n ** 63n - 1n], float32: [0.5, -Infinity],
  float64: [0.1, NaN], text: ['', 'zoë \u{1F697}', '\uFEFFmark', '\0', 'a'], binary: [new Uint8Array([0, 255]), new Uint8Array()],
  date: [-1, 20000], timestamp: [-1n, 253402300799999999n], localTimestamp: [0n, 1n], float64List: [[1.5, -0], []],
  textList: [['a', null, ''], [], ['zoë']],
};

/** Eleven rows: bitmaps end within their second byte. */
const elevenOf = (values) => Array.from({ length: 11 }, (_, row) => values[row % values.length]);

const comparable = (values) => values.map((value) => (ArrayBuffer.isView(value) ? [...value] : value));

for (const [name, declare] of Object.entries(EVERY_TYPE)) {
  test(`${name} comes back as it went, with and without nulls`, () => {
    for (const values of [SAMPLES[name], [...SAMPLES[name], null]]) {
      const rows = elevenOf(values).map((value) => ({ value }));
      for (const plugin of [
        definePlugin({ columns: { value: declare().nullable().write() }, process() {} }),
        definePlugin({ columns: { value: declare().nullable().write() }, processBatch: (batch) => batch.set('value', batch.columns.value) }),
      ]) {
        const out = processRows(plugin, rows).rows.map((row) => row.value);
        assert.deepEqual(comparable(out), comparable(elevenOf(values)));
      }
    }
  });
}

test('texts come back as they went, whatever is beside them', () => {
  const plugin = definePlugin({ columns: { value: text().nullable().write() }, process() {} });
  for (const values of [['a', 'b'], ['', ''], ['a', 'é', ''], ['', 'é', '\u{1F697}', 'a'], ['\0', ''], ['a\0é', '\0'], [null, ''], []]) {
    const out = processRows(plugin, values.map((value) => ({ value }))).rows.map((row) => row.value);
    assert.deepEqual(out, values);
  }
});

test('int64 as numbers', () => {
  const plugin = definePlugin({
    columns: { micros: timestamp().asNumber().nullable().write() },
    process(row) {
      if (row.micros !== null) row.micros -= 1;
    },
  });
  const rows = [0, -1, 1, 4294967296, -4294967297, Number.MAX_SAFE_INTEGER, null].map((micros) => ({ micros }));
  const out = processRows(plugin, rows).rows.map((row) => row.micros);
  assert.deepEqual(out, [-1, -2, 0, 4294967295, -4294967298, Number.MAX_SAFE_INTEGER - 1, null]);
});

const between = definePlugin({
  columns: { speed: float64() },
  process({ speed }) {
    if (speed < 0) return reject('backwards');
    if (speed > 100) return reject('too fast');
    return speed === 0 ? drop : keep;
  },
});

test('verdicts', () => {
  const outcome = processRows(between, [-1, 1, 101, 0, -2].map((speed) => ({ speed })));
  assert.deepEqual(outcome.rows, [{ speed: 1 }]);
  assert.deepEqual(outcome.dropped, [3]);
  assert.deepEqual(outcome.rejected, [{ row: 0, reason: 'backwards' }, { row: 2, reason: 'too fast' }, { row: 4, reason: 'backwards' }]);
});

test('columns: names, new ones, dropped ones, those that a stream lacks', () => {
  const plugin = definePlugin({
    columns: {
      latitude: float64().named('location.lat'),
      limit: float64().optional(),
      note: text().drop(),
      sentAt: text().named('time'),
      instant: timestamp().named('time').new(),
      said: text().nullable().new(),
    },
    process(row) {
      row.instant = BigInt(row.sentAt) * 1_000_000n;
      if (row.limit !== null) row.said = `${row.latitude} ${row.limit}`;
    },
  });
  const row = { 'location.lat': 51.5, note: 'x', time: '7' };
  assert.deepEqual(processRows(plugin, [row]).rows, [{ 'location.lat': 51.5, time: 7_000_000n, said: null }]);
  const [limited] = processRows(plugin, [{ ...row, limit: 3 }]).rows;
  assert.equal(limited.said, '51.5 3');
});

test('what a dropped row wrote is never looked at', () => {
  const plugin = definePlugin({ columns: { size: int32().new() }, process: () => drop });
  assert.deepEqual(processRows(plugin, [{}, {}]).dropped, [0, 1]);
});

test('one row becomes many, and others go to a table', () => {
  const plugin = definePlugin({
    columns: { items: text(), item: text().nullable().new() },
    outputs: { [stream]: { item: text().nullable() }, audit: { items: text().inherited(), count: int32() } },
    process(row, _config, emit) {
      const items = row.items.split(',');
      for (const item of items) emit(stream, { item });
      emit('audit', { count: items.length });
      return drop;
    },
  });
  const { emitted, rows } = processRows(plugin, [{ items: 'a,b' }, { items: 'c' }]);
  assert.deepEqual(rows, []);
  assert.deepEqual(emitted.filter(({ output }) => output === 'stream').map(({ row, values }) => [row, values.item]), [[0, 'a'], [0, 'b'], [1, 'c']]);
  assert.deepEqual(emitted.filter(({ output }) => output === 'audit').map(({ values }) => values), [{ count: 2 }, { count: 1 }]);
});

test('columnar: typed arrays, rows removed by number', () => {
  const plugin = definePlugin({
    columns: { speed: float64().write(), fast: boolean().new() },
    processBatch(batch, { limit }) {
      const { speed } = batch.columns;
      assert.ok(speed instanceof Float64Array);
      batch.set('speed', speed.map((value) => value * 3.6));
      batch.set('fast', Array.from(speed, (value) => (value < 0 ? null : value > limit)));
      speed.forEach((value, row) => value < 0 && batch.reject(row, 'backwards'));
    },
    config: { type: 'object', properties: { limit: { type: 'number', default: 10 } } },
  });
  const { rows, rejected } = processRows(plugin, [{ speed: 10 }, { speed: -1 }, { speed: 20 }]);
  assert.deepEqual(rows, [{ speed: 36, fast: false }, { speed: 72, fast: true }]);
  assert.deepEqual(rejected, [{ row: 1, reason: 'backwards' }]);
});

test('the first reason of a row stands', () => {
  const plugin = definePlugin({
    columns: { speed: float64() },
    processBatch(batch) {
      for (const [row, reason] of [[0, 'b'], [1, 'a'], [1, 'b'], [0, 'a'], [1, 'a']]) batch.reject(row, reason);
    },
  });
  const { rejected } = processRows(plugin, [{ speed: 1 }, { speed: 2 }]);
  assert.deepEqual(rejected, [{ row: 0, reason: 'b' }, { row: 1, reason: 'a' }]);
});

function failing(columns, process, row, expected) {
  assert.throws(() => processRows(definePlugin({ columns, process }), [row]), { message: expected });
}

test('a value that does not fit its column is named', () => {
  failing({ a: float64().write() }, (row) => void (row.a = 'x'), { a: 1 }, 'column `a` takes a number, not "x"');
  failing({ a: float64().new() }, () => {}, {}, 'column `a` takes a number, and was not set');
  failing({ a: float64().write() }, (row) => void (row.a = null), { a: 1 }, 'column `a` takes no null: declare it with `nullable()`');
  failing({ a: int32().write() }, (row) => void (row.a = 1.5), { a: 1 }, 'column `a` takes an integer of 32 bits, not 1.5');
  failing({ a: int64().write() }, (row) => void (row.a = 2n ** 63n), { a: 1n }, `column \`a\` takes a bigint of 64 bits, not ${2n ** 63n}n`);
  const texts = (value, shown) => failing({ a: textList().new() }, (row) => void (row.a = value), {}, `column \`a\` takes an array of strings and nulls, not ${shown}`);
  texts([, 'a'], '[undefined, "a"]'); // a hole once became ""
  texts([undefined], '[undefined]');
  texts([1n, null, [1]], '[1n, null, an array]');
  texts([5, ...Array(9).fill('é')], '[5, "é", "é", "é", "é", "é", "é", "é", …]');
  texts('a', '"a"');
  failing({ a: float64List().new() }, (row) => void (row.a = [1, , 2]), {}, 'column `a` takes a Float64Array or an array of numbers, not [1, undefined, 2]');
  failing({ a: text() }, (row) => void (row.b = 1), { a: '' }, 'Cannot add property b, object is not extensible');
  failing({ a: text() }, () => false, { a: '' }, 'process returned false: return keep, drop, reject(reason) or nothing');
  failing({ a: text() }, async () => {}, { a: '' }, 'process returned a promise, which nobody waits for: return keep, drop, reject(reason) or nothing');
});

test('what the stream lacks is named by column, with the configuration in one go', () => {
  const columns = { speed: float64(), make: text() };
  const configure = ({ limit }) => {
    if (limit === undefined) throw new ConfigError('limit', 'it is missing');
  };
  const plugin = definePlugin({ columns, config: {}, configure, process() {} });
  const field = (name, nullable) => ({ name, ty: { tag: 'float64' }, nullable });
  checkProblems(plugin, { limit: 1 }, [field('speed', false), field('make', false)], []);
  checkProblems(plugin, { limit: 1 }, [field('speed', true)], [
    'inputs.vehicle.speed: column `speed` may be null, but this plugin needs a value: declare it as required',
    'inputs.vehicle.make: the input has no column `make`; it has `speed`',
  ]);
  checkProblems(plugin, {}, [field('speed', false)], ['limit: it is missing', 'inputs.vehicle.make: the input has no column `make`; it has `speed`']);
});

function checkProblems(plugin, config, fields, expected) {
  let found = [];
  try {
    configure(plugin, JSON.stringify(config), [{ name: 'vehicle', fields }]);
  } catch (error) {
    found = error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
  assert.deepEqual(found, expected);
}
