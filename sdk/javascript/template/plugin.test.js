import assert from 'node:assert/strict';
import { test } from 'node:test';

import { processRows } from '@millstream/sdk/testing';

import plugin from './plugin.js';

test('a reading is converted or rejected', () => {
  const { rows, rejected } = processRows(plugin, [{ sensor: ' a ', celsius: 21.5 }, { sensor: 'b', celsius: -300 }]);
  assert.deepEqual(rows, [{ sensor: 'a', celsius: 21.5, fahrenheit: 70.7 }]);
  assert.deepEqual(rejected, [{ row: 1, reason: '`celsius` is below absolute zero' }]);
});
