// {{name}}: adds what a thermometer shows in Fahrenheit, and rejects readings that cannot be true.

import { definePlugin, float64, reject, text } from '@millstream/sdk';

import config from './config.schema.json' with { type: 'json' };

const ABSOLUTE_ZERO_CELSIUS = -273.15;

export default definePlugin({
  /** The columns that the plugin looks at. No other column enters it. */
  columns: {
    sensor: text().nullable().write(),
    celsius: float64().nullable(),
    fahrenheit: float64().new(),
  },

  /** The parameters of a step that runs the plugin. */
  config,
  exampleConfig: { celsius_max: 60 },

  process(reading, { celsius_max }) {
    if (reading.celsius === null) return reject('`celsius` is missing');
    if (reading.celsius < ABSOLUTE_ZERO_CELSIUS) return reject('`celsius` is below absolute zero');
    if (reading.celsius > celsius_max) return reject('`celsius` is above `celsius_max`');
    reading.sensor = reading.sensor?.trim() ?? null;
    reading.fahrenheit = (reading.celsius * 9) / 5 + 32;
  },
});
