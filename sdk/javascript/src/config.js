// Checks a configuration against the plugin's JSON schema and fills in defaults: a plain value goes in, the checked
// value and every problem come out, each with the path of its key. Of JSON Schema it knows what configurations need,
// and refuses a schema with anything else; unlike there, a key that `properties` does not name is refused unless
// `additionalProperties` says otherwise.

import { ConfigError } from './errors.js';

const NOTES = ['$schema', '$id', '$comment', 'title', 'description', 'examples', 'default', 'deprecated'];
const NUMBERS = {
  minimum: [(value, bound) => value >= bound, 'at least'],
  maximum: [(value, bound) => value <= bound, 'at most'],
  exclusiveMinimum: [(value, bound) => value > bound, 'above'],
  exclusiveMaximum: [(value, bound) => value < bound, 'below'],
};
const LENGTHS = { minLength: 'minimum', maxLength: 'maximum', minItems: 'minimum', maxItems: 'maximum' };
const OTHERS = ['type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'pattern', 'items'];
const KNOWN = new Set([...NOTES, ...Object.keys(NUMBERS), ...Object.keys(LENGTHS), ...OTHERS]);

/** Refuses a schema with keywords that {@link checkConfig} does not know. */
export function checkSchema(schema, at = 'config') {
  const unknown = Object.keys(schema).find((keyword) => !KNOWN.has(keyword));
  if (unknown) throw new TypeError(`${at}: the keyword "${unknown}" of JSON Schema is not supported; check it in \`configure\``);
  for (const [key, property] of Object.entries(schema.properties ?? {})) checkSchema(property, `${at}.${key}`);
  for (const part of [schema.items, schema.additionalProperties]) if (typeof part === 'object') checkSchema(part, at);
}

/**
 * The configuration in `text` with its defaults.
 *
 * @throws {ConfigError} with every problem
 */
export function checkConfig(schema, text) {
  let config;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new ConfigError('', `it is no JSON: ${error.message}`);
  }
  const problems = [];
  const checked = check(schema, config, '', (path, message) => problems.push({ path, message }));
  if (problems.length > 0) throw new ConfigError(problems);
  return checked;
}

function check(schema, value, path, problem) {
  const expected = expectation(schema, value);
  if (expected) {
    problem(path, `expected ${expected}, not ${JSON.stringify(value)}`);
    return value;
  }
  if (Array.isArray(value)) {
    return schema.items ? value.map((item, index) => check(schema.items, item, `${path}[${index}]`, problem)) : value;
  }
  return kindOf(value) === 'object' ? checkObject(schema, value, path, problem) : value;
}

function checkObject({ properties = {}, required = [], additionalProperties = false }, object, path, problem) {
  const at = (key) => (path ? `${path}.${key}` : key);
  const checked = {};
  for (const [key, value] of Object.entries(object)) {
    const schema = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (schema === false) problem(at(key), 'unknown key');
    else checked[key] = schema === true ? value : check(schema, value, at(key), problem);
  }
  for (const [key, property] of Object.entries(properties)) {
    if (Object.hasOwn(object, key)) continue;
    if (required.includes(key)) problem(at(key), 'it is missing');
    else if (property.default !== undefined) checked[key] = check(property, property.default, at(key), problem);
  }
  return checked;
}

function kindOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** What the value alone breaks, in words; nothing if it is sound. */
function expectation(schema, value) {
  const types = schema.type === undefined ? undefined : [schema.type].flat();
  const isOfType = (type) => (type === 'integer' ? Number.isInteger(value) : kindOf(value) === type);
  if (types && !types.some(isOfType)) return types.map((type) => `${/^[aio]/.test(type) ? 'an' : 'a'} ${type}`).join(' or ');
  if (schema.enum && !schema.enum.includes(value)) return schema.enum.map((choice) => JSON.stringify(choice)).join(' or ');
  if (schema.const !== undefined && schema.const !== value) return JSON.stringify(schema.const);
  if (typeof value === 'number') return boundBroken(schema, value, 'a number');
  if (typeof value === 'string') {
    if (schema.pattern && !new RegExp(schema.pattern, 'u').test(value)) return `a string that matches ${schema.pattern}`;
    return lengthBroken(schema, ['minLength', 'maxLength'], [...value].length, 'characters');
  }
  return Array.isArray(value) ? lengthBroken(schema, ['minItems', 'maxItems'], value.length, 'items') : undefined;
}

function boundBroken(schema, value, what) {
  const broken = Object.keys(NUMBERS).find((name) => schema[name] !== undefined && !NUMBERS[name][0](value, schema[name]));
  return broken && `${what} ${NUMBERS[broken][1]} ${schema[broken]}`;
}

function lengthBroken(schema, keywords, length, what) {
  const broken = keywords.find((keyword) => schema[keyword] !== undefined && boundBroken({ [LENGTHS[keyword]]: schema[keyword] }, length, ''));
  return broken && `${NUMBERS[LENGTHS[broken]][1]} ${schema[broken]} ${what}`;
}
