// Where a reading was made: from the first whole pair of columns, else from a text as `51.5, -0.12` or `[51.5, -0.12]`.
// Both degrees come from one of these: half of one and half of another would be a place where nobody was.

/** Decimal numbers as they stand in texts; `Number` alone would take an empty text for 0. */
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$/i;

/** Sets `latitude` and `longitude`; returns the rule that is broken. */
export function position(vehicle, { null_island }) {
  let { latitude, longitude } = vehicle;
  if (latitude === null || longitude === null) {
    const { lat, lon, position } = vehicle;
    if (lat !== null && lon !== null) [latitude, longitude] = [lat, lon];
    else if (position === null) return missing(vehicle);
    else [latitude, longitude] = parse(position) ?? [];
    if (latitude === undefined) return '`location` is not a latitude and a longitude';
  }
  if (!(Math.abs(latitude) <= 90)) return '`location.lat` is out of range [-90, 90]';
  if (!(Math.abs(longitude) <= 180)) return '`location.lon` is out of range [-180, 180]';
  if (latitude === 0 && longitude === 0 && null_island === 'reject') return '`location` is 0, 0: the device had no fix';
  vehicle.latitude = latitude;
  vehicle.longitude = longitude;
}

function missing({ latitude, longitude, lat, lon }) {
  if (longitude !== null) return '`location.lat` is missing';
  if (latitude !== null) return '`location.lon` is missing';
  if (lon !== null) return '`lat` is missing';
  return lat !== null ? '`lon` is missing' : '`location` is missing';
}

function parse(text) {
  const bare = text.trim();
  if (bare.startsWith('[') && !bare.endsWith(']')) return undefined;
  const parts = (bare.startsWith('[') ? bare.slice(1, -1) : bare).split(',').map((part) => part.trim());
  return parts.length === 2 && parts.every((part) => NUMBER.test(part)) ? parts.map(Number) : undefined;
}
