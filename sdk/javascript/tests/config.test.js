// What is wrong with a configuration is named by the path of its key; what is left out has its default.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { checkConfig, checkSchema } from '../src/config.js';

const SCHEMA = {
  type: 'object',
  required: ['zone'],
  properties: {
    zone: { type: 'string', minLength: 1 },
    limits: { type: 'object', properties: { speed: { type: 'number', exclusiveMinimum: 0, default: 300 } }, default: {} },
    unit: { enum: ['km/h', 'mph'], default: 'km/h' },
    words: { type: 'object', additionalProperties: { type: 'string' } },
    counts: { type: 'array', items: { type: 'integer' }, maxItems: 2 },
    pattern: { type: ['string', 'null'], pattern: '^[a-z]+$' },
  },
};

function check(config, expected) {
  let found;
  try {
    found = checkConfig(SCHEMA, typeof config === 'string' ? config : JSON.stringify(config));
  } catch (error) {
    found = error.problems?.map(({ path, message }) => `${path}: ${message}`) ?? error;
  }
  assert.deepEqual(found, expected);
}

test('defaults', () => {
  check({ zone: 'UTC' }, { zone: 'UTC', limits: { speed: 300 }, unit: 'km/h' });
  check({ zone: 'UTC', limits: {} }, { zone: 'UTC', limits: { speed: 300 }, unit: 'km/h' });
  check({ zone: 'UTC', unit: 'mph', limits: { speed: 1 }, words: { a: 'b' }, counts: [1, 2], pattern: null }, {
    zone: 'UTC', unit: 'mph', limits: { speed: 1 }, words: { a: 'b' }, counts: [1, 2], pattern: null,
  });
});

test('problems', () => {
  check({}, ['zone: it is missing']);
  check({ zone: '' }, ['zone: expected at least 1 characters, not ""']);
  check([], [': expected an object, not []']);
  check({ zone: 'UTC', zoen: 1, limits: { sped: 2 } }, ['zoen: unknown key', 'limits.sped: unknown key']);
  check({ zone: 'UTC', limits: { speed: 'fast' } }, ['limits.speed: expected a number, not "fast"']);
  check({ zone: 'UTC', limits: { speed: 0 } }, ['limits.speed: expected a number above 0, not 0']);
  check({ zone: 1, unit: 'knots' }, ['zone: expected a string, not 1', 'unit: expected "km/h" or "mph", not "knots"']);
  check({ zone: 'UTC', words: { a: 1 } }, ['words.a: expected a string, not 1']);
  check({ zone: 'UTC', counts: [1, 2.5] }, ['counts[1]: expected an integer, not 2.5']);
  check({ zone: 'UTC', counts: [1, 2, 3] }, ['counts: expected at most 2 items, not [1,2,3]']);
  check({ zone: 'UTC', pattern: 'A' }, ['pattern: expected a string that matches ^[a-z]+$, not "A"']);
  check({ zone: 'UTC', pattern: 1 }, ['pattern: expected a string or a null, not 1']);
});

test('keys of every object are its own', () => {
  check('{"zone": "UTC", "__proto__": {"a": 1}}', ['__proto__: unknown key']);
  check('{"zone": "UTC", "toString": 1}', ['toString: unknown key']);
});

test('a schema with more than is checked is refused', () => {
  assert.throws(() => checkSchema({ type: 'object', properties: { a: { oneOf: [] } } }), /config\.a: the keyword "oneOf"/);
});
