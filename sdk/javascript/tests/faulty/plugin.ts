import { counter, definePlugin, drop, float64, stream, text } from '@millstream/sdk';
import { TimeZone } from '@millstream/sdk/time';

import { thrower, type Fault } from './faults.ts';

interface Config {
  fault: Fault | 'none' | 'configure' | 'column' | 'split';
}

const rows = counter('rows');

export default definePlugin({
  columns: {
    speed: float64(),
    make: text().nullable().write(),
    offset: float64().new(),
  },
  outputs: { [stream]: { make: text().nullable() } },
  config: { type: 'object', properties: { fault: { type: 'string' } }, required: ['fault'] },
  exampleConfig: { fault: 'none' },

  configure({ fault }: Config) {
    if (fault === 'configure') thrower('message')(0);
    return { fault };
  },

  process(row, { fault }, emit) {
    rows.add();
    row.offset = TimeZone.get('Europe/London')!.offsetAt(1782889200);
    if (fault === 'column') row.make = 5 as unknown as string;
    else if (fault === 'split') emit(stream, { make: `${row.make}!` });
    else if (fault !== 'none') thrower(fault as Fault)(row.speed);
    if (fault === 'split') return drop;
  },
});
