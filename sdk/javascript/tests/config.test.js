// What a configuration leaves out has its default; a key that the schema does not know is found by the host.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { closed, parseConfig } from '../src/config.js';

const SCHEMA = {
  type: 'object',
  properties: {
    zone: { type: 'string' },
    limits: { type: 'object', properties: { speed: { type: 'number', default: 300 } }, default: {} },
    unit: { enum: ['km/h', 'mph'], default: 'km/h' },
    words: { type: 'object', additionalProperties: { type: 'string' } },
    points: { type: 'array', items: { type: 'object', properties: { height: { default: 0 } } } },
  },
};

const check = (config, expected) => assert.deepEqual(parseConfig(SCHEMA, JSON.stringify(config)), expected);

test('defaults', () => {
  check({ zone: 'UTC' }, { zone: 'UTC', limits: { speed: 300 }, unit: 'km/h' });
  check({ limits: {}, points: [{}, { height: 1 }] }, { limits: { speed: 300 }, unit: 'km/h', points: [{ height: 0 }, { height: 1 }] });
  check({ unit: 'mph', limits: { speed: 1 }, words: { a: 'b' } }, { unit: 'mph', limits: { speed: 1 }, words: { a: 'b' } });
  assert.throws(() => parseConfig(SCHEMA, '{'), { name: 'ConfigError', message: /it is not JSON/ });
});

test('a schema is closed where it does not say otherwise', () => {
  const { additionalProperties, properties } = closed(SCHEMA);
  assert.equal(additionalProperties, false);
  assert.equal(properties.limits.additionalProperties, false);
  assert.deepEqual(properties.words, SCHEMA.properties.words);
  assert.equal(properties.points.items.additionalProperties, false);
  assert.equal(closed({ properties: {}, additionalProperties: true }).additionalProperties, true);
  assert.equal(SCHEMA.additionalProperties, undefined);
});
