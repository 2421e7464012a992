#!/usr/bin/env node
// Makes a component of a plugin's folder: bundles the author's modules with the SDK (esbuild) and puts the bundle
// into a JavaScript engine that is a component (componentize-js). Enters: --folder DIR --out FILE --tools DIR, the
// last with the node_modules of both programs. Leaves: the file, in one piece. It installs nothing.

import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import { SourceLines } from './src/source-map.js';

const SDK = dirname(fileURLToPath(import.meta.url));
const HTTP = 'millstream:plugin/http@0.1.0';
/** What a plugin cannot have: everything but the imports of its world. */
const FEATURES_LEFT_OUT = ['stdio', 'random', 'clocks', 'http', 'fetch-event'];

/** A fault of the plugin, said without a stack of this program. */
class PluginFault extends Error {}

async function main() {
  const options = { folder: { type: 'string', default: '.' }, out: { type: 'string' }, tools: { type: 'string' } };
  const { values } = parseArgs({ options });
  const folder = resolve(values.folder);
  const manifest = await readManifest(folder);
  const out = resolve(values.out ?? join(folder, `${manifest.name}.wasm`));
  const tools = await loadTools(resolve(values.tools ?? SDK));
  const bundle = await bundlePlugin(tools.esbuild, folder, manifest);
  await writeInOnePiece(out, await componentize(tools.componentize, bundle));
}

async function readManifest(folder) {
  const path = join(folder, 'package.json');
  let manifest;
  try {
    manifest = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new PluginFault(`${path}: ${error.message}`);
  }
  const { name, version = '0.0.0' } = manifest;
  if (!name) throw new PluginFault(`${path}: it has no "name"`);
  const main = [manifest.main, 'plugin.js', 'plugin.ts'].find((file) => file && existsSync(join(folder, file)));
  if (!main) throw new PluginFault(`${folder}: there is neither plugin.js nor plugin.ts, nor what "main" in package.json names`);
  const dependencies = Object.keys(manifest.dependencies ?? {}).filter((name) => name !== '@millstream/sdk');
  return { name, version, main, dependencies };
}

async function loadTools(folder) {
  const load = async (name, file) => {
    const path = join(folder, 'node_modules', name, file);
    if (!existsSync(path)) throw new PluginFault(`${path} is missing: install ${name} in ${folder}, or name another folder by --tools`);
    return import(pathToFileURL(path).href);
  };
  // componentize-js writes the name of its working folder into what it makes: keep the user's name out of it.
  if (process.platform !== 'win32') process.env.TMPDIR = '/tmp';
  const { default: esbuild } = await load('esbuild', 'lib/main.js');
  const { componentize } = await load('@bytecodealliance/componentize-js', 'src/componentize.js');
  return { esbuild, componentize };
}

/** One module of all that the plugin needs, with a source map in it and the world that it asks for. */
async function bundlePlugin(esbuild, folder, { name, version, main, dependencies }) {
  const entry = [
    `import { exportPlugin } from ${JSON.stringify(join(SDK, 'src/export.js'))};`,
    `import definition from ${JSON.stringify(`./${main}`)};`,
    `export const plugin = exportPlugin(definition, ${JSON.stringify({ name, version })});`,
  ].join('\n');
  const options = {
    stdin: { contents: entry, resolveDir: folder, sourcefile: 'millstream-entry.js' },
    absWorkingDir: folder, outfile: 'plugin.js', write: false, bundle: true, sourcemap: 'external', metafile: true,
    format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], conditions: ['import'], target: 'es2022',
    plugins: [{ name: 'sdk', setup: resolveSdk }], external: ['millstream:*'], logLevel: 'silent', legalComments: 'none',
  };
  let built;
  try {
    built = await esbuild.build(options);
  } catch (error) {
    const messages = await esbuild.formatMessages(error.errors ?? [], { kind: 'error', color: process.stderr.isTTY });
    const missing = (error.errors ?? []).some(({ text }) => dependencies.some((name) => text.includes(`"${name}`)));
    const remedy = missing ? `run \`npm install\` in ${folder}\n` : '';
    throw new PluginFault(messages.join('').trimEnd() + '\n' + remedy || error.message);
  }
  const [code, map] = ['plugin.js', 'plugin.js.map'].map((name) => built.outputFiles.find(({ path }) => path.endsWith(name)).text);
  const lines = sourceMap(JSON.parse(map), folder);
  const imports = Object.values(built.metafile.outputs).flatMap((output) => output.imports);
  return {
    code: `${code}\nglobalThis.millstreamSourceMap = ${JSON.stringify(lines)};\n`,
    lines,
    world: imports.some(({ path }) => path === HTTP) ? 'transform-with-http' : 'transform',
  };
}

/** `@millstream/sdk/time` is a file of this SDK, whatever is installed. */
async function resolveSdk(build) {
  const { name, exports } = JSON.parse(await readFile(join(SDK, 'package.json'), 'utf8'));
  build.onResolve({ filter: new RegExp(`^${name}(/|$)`) }, ({ path }) => {
    const file = exports[`.${path.slice(name.length)}`]?.default;
    if (file) return { path: join(SDK, file) };
    return { errors: [{ text: `the SDK has no module "${path}"; it has ${Object.keys(exports).join(', ')}` }] };
  });
}

/** The author's own files by their names in the folder; those of the SDK and of packages lose theirs. */
function sourceMap({ sources, mappings }, folder) {
  const named = (source) => {
    const path = resolve(folder, source);
    const isOthers = path.startsWith(join(SDK, 'src')) || path.includes('/node_modules/') || source === 'millstream-entry.js';
    return isOthers ? null : relative(folder, path);
  };
  return { sources: sources.map(named), mappings };
}

async function componentize(componentize, { code, lines, world }) {
  try {
    const options = { sourceName: 'plugin.js', witPath: join(SDK, 'wit'), worldName: world, disableFeatures: FEATURES_LEFT_OUT };
    return (await componentize(code, options)).component;
  } catch (error) {
    throw new PluginFault(atAuthorsLines(error.message, new SourceLines(lines)));
  }
}

/** Places of the bundle in a message, as places of the author's. */
function atAuthorsLines(message, lines) {
  return message.replaceAll(/plugin\.js:(\d+):(\d+)/g, (place, line, column) => {
    const found = lines.find(Number(line), Number(column));
    return found?.source ? `${found.source}:${found.line}` : place;
  });
}

async function writeInOnePiece(path, bytes) {
  const beside = `${path}.${process.pid}`;
  try {
    await writeFile(beside, bytes);
    await rename(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
}

main().catch((error) => {
  console.error(error instanceof PluginFault ? error.message : error);
  process.exitCode = 1;
});
