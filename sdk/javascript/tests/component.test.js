// A component made by build.mjs, run on Node's WebAssembly: what the host is told when the author's code fails, and
// that nothing but the host's own interfaces is imported. TOOLS is a folder with the node_modules of README.md.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TOOLS = process.env.TOOLS ?? assert.fail('run sdk/javascript/test: it sets TOOLS');
const folder = mkdtempSync(join(tmpdir(), 'millstream-sdk-'));
after(() => rmSync(folder, { recursive: true }));

function build(plugin) {
  const out = join(folder, 'plugin.wasm');
  const program = [join(HERE, '../build.mjs'), '--folder', plugin, '--tools', TOOLS, '--out', out];
  const { status, stderr } = spawnSync('node', program, { encoding: 'utf8' });
  return { status, stderr, out };
}

const FIELDS = [{ name: 'speed', ty: { tag: 'float64' }, nullable: false }, { name: 'make', ty: { tag: 'utf8' }, nullable: true }];
const done = {};
let faulty;

before(async () => {
  faulty = await load('faulty');
});

/** Builds a plugin of this folder and instantiates it. */
async function load(name, more = {}) {
  const { status, stderr, out } = build(join(HERE, name));
  assert.equal(status, 0, stderr);
  const jco = join(TOOLS, 'node_modules/.bin/jco');
  execFileSync(jco, ['transpile', out, '-o', folder, '--name', name, '--instantiation', 'async', '-q', '--no-nodejs-compat']);
  const { instantiate } = await import(pathToFileURL(join(folder, `${name}.js`)));
  const compile = (path) => WebAssembly.compile(readFileSync(join(folder, path)));
  return (await instantiate(compile, { ...imports(), ...more })).plugin;
}

/** Two rows, and whatever is called with what. */
class Batch {
  rows() {
    return 2;
  }
  readFloat64() {
    return { values: Float64Array.of(10, 20) };
  }
  readBytes() {
    return { offsets: Uint32Array.of(0, 3, 3), data: new TextEncoder().encode('BMW'), valid: Uint8Array.of(1) };
  }
  writeFloat64(column, { values }) {
    done[`float64 ${column}`] = [...values];
  }
  writeBytes(column, { offsets, data, valid }) {
    done[`bytes ${column}`] = [[...offsets], new TextDecoder().decode(data), valid && [...valid]];
  }
  keep(mask) {
    done.keep = [...mask];
  }
  reject() {}
}

class Builder {
  constructor(output, rows) {
    done.builder = [output, rows];
  }
  gather(_batch, parents) {
    done.parents = [...parents];
  }
  writeBytes(_column, { data }) {
    done.emitted = new TextDecoder().decode(data);
  }
}

function imports() {
  class Counter {
    constructor(name) {
      this.name = name;
    }
    add(n) {
      done[this.name] = n;
    }
  }
  return {
    'millstream:plugin/batches': { Batch, Builder, emit: () => (done.isEmitted = true) },
    'millstream:plugin/log': { enabled: () => true, log: (level, message) => (done.log = `${level}: ${message}`) },
    'millstream:plugin/lookup': { Table: class {} },
    'millstream:plugin/metrics': { Counter, Gauge: class {} },
  };
}

const configureFaulty = async (config, fields) => faulty.configure(config, [{ name: 'vehicle', fields }]);

/** Processes a batch with a fault; what the host is told, or what was done. */
async function outcome(fault) {
  for (const key of Object.keys(done)) delete done[key];
  await configureFaulty(JSON.stringify({ fault }), FIELDS);
  try {
    await faulty.process(0, new Batch());
    return { ...done };
  } catch (error) {
    return error.payload ?? error;
  }
}

test('a component says what it is', async () => {
  const { name, version, exampleConfig } = await faulty.describe();
  assert.deepEqual([name, version, exampleConfig], ['faulty', '1.2.3', '{"fault":"none"}']);
});

test('columns go through', async () => {
  const bytes = [[0, 3, 3], 'BMW', [1]];
  assert.deepEqual(await outcome('none'), { 'bytes 0': bytes, 'float64 1': [3600, 3600], rows: 2n });
});

test('a row is split', async () => {
  const { builder, parents, emitted, isEmitted, keep } = await outcome('split');
  assert.deepEqual([builder, parents, emitted, isEmitted, keep], [[0, 2], [0, 1], 'BMW!null!', true, [0]]);
});

async function check(fault, expected) {
  assert.deepEqual(await outcome(fault), { tag: 'bad-batch', val: expected });
}

test('an exception is told with the line of the author', async () => {
  await check('message', 'faults.ts:6: RangeError: 10 is too fast');
  await check('null', 'faults.ts:8: TypeError: can\'t access property "field" of null');
  await check('clock', 'faults.ts:9: Error: a plugin has no clock: what a row becomes depends on that row and the configuration alone');
  await check('random', 'faults.ts:10: Error: a plugin has no randomness: what a row becomes depends on that row and the configuration alone');
  await check('value', 'the plugin threw a string');
  await check('deep', 'faults.ts:16: InternalError: too much recursion');
  await check('column', 'plugin.ts:15: TypeError: column `make` takes a string, not 5');
});

test('an exception of configure is a problem of the configuration', async () => {
  const problems = async (config, fields) => {
    const error = await configureFaulty(config, fields).then(assert.fail, (error) => error);
    return error.payload.map(({ path, message }) => `${path}: ${message}`);
  };
  assert.deepEqual(await problems('{"fault": "configure"}', FIELDS), [': faults.ts:6: RangeError: 0 is too fast']);
  assert.deepEqual(await problems('{"fault": "configure"}', FIELDS.slice(1)), [
    ': faults.ts:6: RangeError: 0 is too fast', 'inputs.vehicle.speed: the input has no column `speed`; it has `make`',
  ]);
});

test('console is the log of the host', async () => {
  const { log } = await outcome('log');
  assert.equal(log, 'warn: speed 20 {"big":"1"} faults.ts:14: Error: x');
});

/** Answers one address, and is otherwise as `answer` says. */
async function ask(answer) {
  const asked = [];
  const send = (request) => {
    asked.push([request.method, request.url, request.headers, new TextDecoder().decode(request.body)]);
    return answer;
  };
  const sendMany = (requests) => requests.map((request) => ({ tag: answer.status ? 'ok' : 'err', val: send(request) }));
  const sendOne = (request) => {
    if (send(request).status) return answer;
    throw Object.assign(new Error('failed'), { payload: answer });
  };
  asking ??= await load('asking', { 'millstream:plugin/http': { send: (request) => server.send(request), sendMany: (requests) => server.sendMany(requests) } });
  server = { send: sendOne, sendMany };
  await asking.configure('{}', [{ name: 'vehicle', fields: FIELDS }]);
  for (const key of Object.keys(done)) delete done[key];
  try {
    asking.process(0, new Batch());
    return { asked, owners: done['bytes 0'] };
  } catch (error) {
    return error.payload;
  }
}

let asking;
let server;

test('servers are asked, a batch in one go', async () => {
  const { asked, owners } = await ask({ status: 200, headers: [], body: new TextEncoder().encode('{"owner":"Ann"}') });
  assert.deepEqual(asked, [['POST', 'https://cars.example/BMW', [['accept', 'json']], 'ä'], ['GET', 'https://cars.example/none', [], '']]);
  assert.deepEqual(owners, [[0, 3, 18], 'Ann{"owner":"Ann"}', undefined]);
});

test('what a server may mend is tried again', async () => {
  const place = /^plugin\.js:\d+: HttpError: /;
  const check = async (answer, tag, message) => {
    const error = await ask(answer);
    assert.deepEqual([error.tag, error.val.replace(place, '')], [tag, message]);
    assert.match(error.val, place);
  };
  const status = (status) => ({ status, headers: [], body: new Uint8Array() });
  await check(status(503), 'retry', 'the server answered 503');
  await check(status(404), 'bad-batch', 'the server answered 404');
  await check({ tag: 'timeout' }, 'retry', 'the server did not answer in time');
  await check({ tag: 'failed', val: 'no route' }, 'retry', 'no route');
  await check({ tag: 'denied', val: 'not granted' }, 'bad-batch', 'not granted');
});

function checkBroken(source, expected) {
  const broken = mkdtempSync(join(folder, 'broken-'));
  writeFileSync(join(broken, 'package.json'), '{ "name": "broken", "dependencies": { "left-pad": "1" } }');
  writeFileSync(join(broken, 'plugin.js'), source);
  const { status, stderr } = build(broken);
  assert.equal(status, 1);
  assert.match(stderr, expected);
}

test('what cannot be built is told with its line', () => {
  checkBroken('\nconst a = ;', /plugin\.js:2:10/);
  checkBroken("import 'left-pad';", /plugin\.js:1:7[^]*run `npm install`/);
  checkBroken("import { x } from '@millstream/sdk/nothing';", /the SDK has no module "@millstream\/sdk\/nothing"/);
  checkBroken("import { definePlugin } from '@millstream/sdk';\n\nexport default definePlugin({ process: 1 });", /plugin\.js:3/);
});
