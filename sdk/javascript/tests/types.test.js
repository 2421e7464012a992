// The declarations for TypeScript agree with what plugins do.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOOLS = process.env.TOOLS ?? assert.fail('run sdk/javascript/test: it sets TOOLS');

test('plugins in TypeScript compile, and wrong ones do not', () => {
  const project = fileURLToPath(new URL('types', import.meta.url));
  const { status, stdout } = spawnSync(join(TOOLS, 'node_modules/.bin/tsc'), ['-p', project], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
