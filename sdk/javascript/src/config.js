// The JSON schema of a configuration. The host checks every configuration against it before the plugin sees it; here the
// schema is closed, so that misspelt keys are found, and its defaults are filled in.

import { ConfigError } from './errors.js';

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schema with `additionalProperties: false` in every object that has `properties` and does not say otherwise. */
export function closed(schema) {
  if (!isObject(schema)) return schema;
  const all = (schemas) => Object.fromEntries(Object.entries(schemas).map(([key, value]) => [key, closed(value)]));
  const result = { ...schema };
  if (schema.properties) Object.assign(result, { additionalProperties: false, ...result, properties: all(schema.properties) });
  for (const key of ['items', 'additionalProperties']) if (isObject(schema[key])) result[key] = closed(schema[key]);
  return result;
}

/**
 * The configuration in `text`, with the schema's defaults for the keys that it leaves out.
 *
 * @throws {ConfigError} if it is no JSON
 */
export function parseConfig(schema, text) {
  try {
    return withDefaults(schema, JSON.parse(text));
  } catch (error) {
    throw new ConfigError('', `it is not JSON: ${error.message}`);
  }
}

function withDefaults({ properties, items }, value) {
  if (Array.isArray(value) && isObject(items)) return value.map((item) => withDefaults(items, item));
  if (!isObject(value) || !properties) return value;
  const result = { ...value };
  for (const [key, property] of Object.entries(properties)) {
    const given = Object.hasOwn(value, key) ? value[key] : property.default;
    if (given !== undefined) result[key] = withDefaults(property, given);
  }
  return result;
}
