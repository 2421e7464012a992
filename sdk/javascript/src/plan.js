// From a plugin's declarations and the input's schema to the plan that the host is told, and to the numbers by which
// columns are read and written. What does not fit is named by column, all of it in one go.

import { ConfigError } from './errors.js';

/**
 * A plugin fitted to a stream: `reads` are the declared columns that the stream has, each at the index that is its
 * number; `absent` those that are optional and that it lacks; `writes` those written, again by number.
 */
export function fit(definition, inputs) {
  if (inputs.length !== 1) throw new ConfigError('inputs', `this plugin takes one input, not ${inputs.length}`);
  const [input] = inputs;
  const names = new Map(input.fields.map((field) => [field.name, field]));
  const read = definition.columns.filter(({ column }) => column.isRead);
  const problems = read.flatMap(({ column }) => problemsOf(column, names, input));
  if (problems.length > 0) throw new ConfigError(problems);
  const isThere = ({ column }) => !column.isOptional || column.name.startsWith('_') || names.has(column.name);
  const reads = read.filter(isThere);
  const writes = definition.columns.filter(({ column }) => column.isWritten);
  const absent = read.filter((declared) => !isThere(declared));
  return { reads, writes, absent, plan: planOf(definition, input, reads, writes) };
}

const fieldsOf = (declared) => declared.map(({ column }) => column.field);

function planOf(definition, input, reads, writes) {
  const drops = reads.filter(({ column }) => column.mode === 'drop').map(({ column }) => column.name);
  const outputs = definition.outputs.map(({ name, columns }) => ({ name: name ?? input.name, fields: fieldsOf(columns) }));
  const own = { reads: fieldsOf(reads), writes: fieldsOf(writes), drops, rowPreserving: definition.rowPreserving };
  return { inputs: [own], outputs, stores: [], tables: [], hints: [] };
}

function problemsOf({ name, isOptional, isNullable }, names, input) {
  const problem = (message) => [{ path: `inputs.${input.name}.${name}`, message }];
  const field = names.get(name);
  if (name.startsWith('_') || (!field && isOptional)) return [];
  if (!field) return problem(`the input has no column \`${name}\`; it has ${listed([...names.keys()])}`);
  if (field.nullable && !isNullable) {
    return problem(`column \`${name}\` may be null, but this plugin needs a value: declare it as required`);
  }
  return [];
}

const listed = (names) => names.map((name) => `\`${name}\``).join(', ') || 'none';
