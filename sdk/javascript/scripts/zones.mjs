#!/usr/bin/env node
// Writes src/zones.js from a folder of compiled time zones (TZif, RFC 9636): `scripts/zones.mjs [/usr/share/zoneinfo]`.
// What a zone's rule for all later years says is left out; zones that are alike stand there once.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parseRule, ruleOffset } from '../src/zone-rule.js';

const SKIPPED = /^(posix|right|localtime|posixrules|Factory)|\.(zi|tab|list)$|leapseconds|tzdata|SECURITY|\+VERSION/;

function names(folder, prefix = '') {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = prefix + entry.name;
    if (SKIPPED.test(name)) return [];
    return entry.isDirectory() ? names(folder, `${name}/`) : [name];
  }).sort();
}

/** The second block of a file: 64-bit transitions and the rule behind them. */
function read(file) {
  const bytes = readFileSync(file);
  const counts = (at) => [0, 1, 2, 3, 4, 5].map((index) => bytes.readUInt32BE(at + 20 + 4 * index));
  const [utc1, std1, leap1, time1, type1, char1] = counts(0);
  const second = 44 + time1 * 5 + type1 * 6 + char1 + leap1 * 8 + std1 + utc1;
  const [utc, std, leap, times, types, chars] = counts(second);
  let at = second + 44;
  const transitions = Array.from({ length: times }, (_, index) => Number(bytes.readBigInt64BE(at + 8 * index)));
  const kinds = Array.from({ length: times }, (_, index) => bytes[at + 8 * times + index]);
  at += 9 * times;
  const offsets = Array.from({ length: types }, (_, index) => bytes.readInt32BE(at + 6 * index));
  const rule = bytes.subarray(at + 6 * types + chars + leap * 12 + std + utc).toString().trim();
  return { first: offsets[0], changes: transitions.map((time, index) => [time, offsets[kinds[index]]]), rule };
}

/** Without changes that change nothing, and without those at the end that follow from the rule. */
function slim({ first, changes, rule: text }) {
  const rule = parseRule(text);
  let before = first;
  const real = changes.filter(([, offset]) => {
    const isReal = offset !== before;
    before = offset;
    return isReal;
  });
  const follows = ([time, offset]) => ruleOffset(rule, time) === offset && ruleOffset(rule, time - 1) !== offset;
  let end = real.length;
  while (end > 0 && follows(real[end - 1])) end--;
  // The first change that follows from the rule stays: only from there on the rule holds.
  return { first, changes: real.slice(0, end + 1), rule: text };
}

/** `first offset|rule|seconds since the change before,offset …`, all numbers in base 36. */
function pack({ first, changes, rule }) {
  let before = 0;
  const packed = changes.map(([time, offset]) => {
    const step = `${(time - before).toString(36)},${offset.toString(36)}`;
    before = time;
    return step;
  });
  return `${first.toString(36)}|${rule}|${packed.join(' ')}`;
}

const folder = process.argv[2] ?? '/usr/share/zoneinfo';
const version = readFileSync(join(folder, 'tzdata.zi'), 'utf8').match(/^# version (\S+)/)[1];
const byContent = new Map();
for (const name of names(folder)) {
  const content = pack(slim(read(join(folder, name))));
  byContent.set(content, [...(byContent.get(content) ?? []), name]);
}
const lines = [...byContent].map(([content, names]) => `  ${JSON.stringify(`${names.join(' ')}|${content}`)},`);
writeFileSync(fileURLToPath(new URL('../src/zones.js', import.meta.url)), `// The IANA time zone database, ${version}. Made by scripts/zones.mjs; not edited.
// A line is: names|first offset|rule for later years|seconds since the change before,offset … in base 36.

export const ZONES = [
${lines.join('\n')}
];
`);
