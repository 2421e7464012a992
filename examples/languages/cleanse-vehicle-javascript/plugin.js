// Cleanses the vehicle stream: the rules of plugins/cleanse-vehicle, in its words, in JavaScript. A reading that cannot
// be true becomes a dead letter; the rest is brought to one spelling, one unit and one clock.

import { ConfigError, boolean, definePlugin, float64, reject, text, timestamp } from '@millstream/sdk';

import exampleConfig from './config.example.json' with { type: 'json' };
import config from './config.schema.json' with { type: 'json' };
import { Clock } from './clock.js';
import { position } from './position.js';
import { Words } from './words.js';

const KMH = { 'km/h': 1, mph: 1.609344, 'm/s': 3.6 };

const columns = {
  reportedAt: text().named('timestamp').nullable(),
  instant: timestamp().named('timestamp').new(),
  receivedAt: timestamp().named('_timestamp').nullable(),
  inFuture: boolean().named('timestamp_in_future').nullable().new(),
  latitude: float64().named('location.lat').nullable().write(),
  longitude: float64().named('location.lon').nullable().write(),
  lat: float64().optional().drop(),
  lon: float64().optional().drop(),
  position: text().named('location.text').optional().drop(),
  speed: float64().nullable().write(),
  bearing: float64().optional(),
  direction: text().nullable().write(),
  make: text().nullable().write(),
  model: text().nullable().write(),
  fuelType: text().nullable().write(),
};

function configure(config) {
  const problems = [];
  const clock = Clock.of(config, problems);
  const words = Words.of(config, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...config, clock, words, inKmh: KMH[config.speed_unit] };
}

/** The rules, in their order; the first that a reading breaks is the reason. */
function process(vehicle, rules) {
  const broken = rules.clock.read(vehicle) ?? position(vehicle, rules) ?? speed(vehicle, rules) ?? bearing(vehicle) ?? words(vehicle, rules);
  if (broken) return reject(broken);
  vehicle.make = vehicle.make?.trim() ?? null;
  vehicle.model = vehicle.model?.trim() ?? null;
}

function speed(vehicle, { inKmh, speed_max_kmh }) {
  if (vehicle.speed === null) return '`speed` is missing';
  if (!Number.isFinite(vehicle.speed)) return '`speed` is not a finite number';
  vehicle.speed *= inKmh;
  if (vehicle.speed < 0) return '`speed` is negative';
  return vehicle.speed > speed_max_kmh ? '`speed` is above the maximum' : undefined;
}

function bearing({ bearing }) {
  const isSound = bearing === null || (bearing >= 0 && bearing <= 360);
  return isSound ? undefined : '`bearing` is out of range [0, 360]';
}

function words(vehicle, { words, unknown_words }) {
  const refusesUnknown = unknown_words === 'reject';
  const fuelType = words.fuelType(vehicle.fuelType);
  if (fuelType.isUnknown && refusesUnknown) return '`fuelType` is not a known fuel type';
  const direction = words.direction(vehicle.direction);
  if (direction.isUnknown && refusesUnknown) return '`direction` is not a compass direction';
  vehicle.fuelType = fuelType.word;
  vehicle.direction = direction.word;
}

export default definePlugin({ columns, config, exampleConfig, configure, process });
