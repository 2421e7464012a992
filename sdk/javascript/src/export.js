// From a definition to the exports of a component, and the only file of the SDK besides http.js that imports what the
// host gives. It also takes away what a plugin has not got: a clock and randomness; `console` goes to the host's log.

import { Builder, emit } from 'millstream:plugin/batches@0.1.0';
import { enabled, log } from 'millstream:plugin/log@0.1.0';
import { Counter, Gauge } from 'millstream:plugin/metrics@0.1.0';

import { Fatal, describeError, toBatchError, toConfigProblems } from './errors.js';
import { attach, host } from './host.js';
import { discardMetrics, flushMetrics } from './metrics.js';
import { configure } from './run.js';

function refuse(what) {
  throw new Error(`a plugin has no ${what}: what a row becomes depends on that row and the configuration alone`);
}

const NativeDate = Date;
globalThis.Date = class Date extends NativeDate {
  constructor(...parts) {
    if (parts.length === 0) refuse('clock');
    super(...parts);
  }

  static now() {
    refuse('clock');
  }
};
Math.random = () => refuse('randomness');

function logAt(level) {
  return (...parts) => {
    if (host?.enabled(level)) host.log(level, parts.map(shown).join(' '));
  };
}

function shown(part) {
  if (typeof part !== 'object' || part === null) return String(part);
  return part instanceof Error ? describeError(part) : JSON.stringify(part, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}

globalThis.console = { debug: logAt('debug'), log: logAt('info'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') };

/** The component's exports; `about` has name and version. */
export function exportPlugin(definition, { name, version }) {
  const { schema, exampleConfig } = definition;
  const about = { name, version, configSchema: JSON.stringify(schema), exampleConfig: JSON.stringify(exampleConfig) };
  let configured;
  return {
    describe: () => about,
    configure(config, inputs) {
      attach({ Builder, Counter, Gauge, emit, enabled, log });
      try {
        configured = configure(definition, config, inputs);
        return configured.plan;
      } catch (error) {
        return { tag: 'err', val: toConfigProblems(error) };
      }
    },
    process(_input, batch) {
      try {
        if (!configured) throw new Fatal('process was called before configure');
        configured.process(batch, host);
        flushMetrics();
      } catch (error) {
        discardMetrics();
        return { tag: 'err', val: toBatchError(error) };
      }
    },
  };
}
