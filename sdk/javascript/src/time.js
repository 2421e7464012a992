// Times as texts, and time zones: the engine that plugins run in has neither Temporal nor Intl. A text becomes what it
// says; a zone turns wall-clock time into an offset. The host reads the same texts, and the same from them.

import { DAY, daysOfMonth, daysSinceEpoch, parseRule, ruleOffset } from './zone-rule.js';
import { ZONES } from './zones.js';

/** What most devices write, on days that every month has: the engine's own parser is quick and right about it. */
const COMMON = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d{1,6}))?Z?$/;
const FIXED = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:([Zz])|([+-]\d\d):?(\d\d))?$/;
const OTHER = new RegExp(
  '^(?<year>[+-]\\d{6}|\\d{4})(?<dash>-?)(?<month>\\d\\d)\\k<dash>(?<day>\\d\\d)[Tt ](?<hour>\\d\\d)' +
  '(?:(?<colon>:?)(?<minute>\\d\\d)(?:\\k<colon>(?<second>\\d\\d)(?:[.,](?<fraction>\\d{1,9}))?)?)?' +
  '(?:(?<utc>[Zz])|(?<offset>[+-]\\d\\d(?::?\\d\\d(?::?\\d\\d)?)?))?$',
);

/**
 * What an ISO 8601 text of a date and a time of day says: `wall`, seconds since 1970-01-01T00:00 on its own clock, the
 * `micros` of the second (further digits are cut off), and `offset`, seconds east of UTC, if it states one. A leap
 * second is read as the one before.
 *
 * @returns {{ wall: number, micros: number, offset: number | undefined } | undefined} nothing if it is no such text
 */
export function parseTime(text) {
  const common = COMMON.exec(text);
  if (common) {
    const isUtc = text.endsWith('Z');
    return { wall: Math.floor(Date.parse(isUtc ? text : text + 'Z') / 1000), micros: microsOf(common[1]), offset: isUtc ? 0 : undefined };
  }
  const fixed = FIXED.exec(text);
  if (!fixed) return parseOther(text.trim());
  const [, year, month, day, hour, minute, second, fraction, utc, hours, minutes] = fixed;
  return told(+year, +month, +day, +hour, +minute, +second, fraction, utc ? 0 : hours && offsetOf(hours, minutes));
}

function parseOther(text) {
  const parts = OTHER.exec(text)?.groups;
  if (!parts || parts.year === '-000000') return undefined;
  const { year, month, day, hour, minute = 0, second = 0, fraction, utc, offset } = parts;
  if (Math.abs(year) > 9999) return undefined;
  const [hours, minutes, seconds] = offset ? [offset.slice(0, 3), ...(offset.slice(3).match(/\d\d/g) ?? [])] : [];
  return told(+year, +month, +day, +hour, +minute, +second, fraction, utc ? 0 : offset && offsetOf(hours, minutes, seconds));
}

function offsetOf(hours, minutes = 0, seconds = 0) {
  const size = Math.abs(hours) * 3600 + minutes * 60 + +seconds;
  const isSound = size < DAY && minutes < 60 && seconds < 60;
  if (!isSound) return NaN;
  return hours[0] === '-' ? -size : size;
}

function told(year, month, day, hour, minute, second, fraction, offset) {
  const isSound = month >= 1 && month <= 12 && day >= 1 && day <= daysOfMonth(year, month) && hour < 24 && minute < 60 && second <= 60;
  if (!isSound || Number.isNaN(offset)) return undefined;
  const wall = daysSinceEpoch(year, month, day) * DAY + hour * 3600 + minute * 60 + Math.min(second, 59);
  return { wall, micros: microsOf(fraction), offset };
}

function microsOf(fraction) {
  if (fraction === undefined) return 0;
  return fraction.length === 6 ? +fraction : +fraction.slice(0, 6).padEnd(6, '0');
}

/** Microseconds since the epoch, as a timestamp column takes them. */
export function toMicros(seconds, micros = 0) {
  const whole = seconds * 1e6 + micros;
  return Number.isSafeInteger(whole) ? BigInt(whole) : BigInt(seconds) * 1_000_000n + BigInt(micros);
}

/** Hours of a zone that are remembered. */
const HOURS_MAX = 1000;

/** A zone of the IANA database, which is part of the SDK. */
export class TimeZone {
  #first;
  #times = [];
  #offsets = [];
  #rule;
  #hours = new Map();

  constructor(packed) {
    const [, first, rule, changes] = packed.split('|');
    this.#first = parseInt(first, 36);
    this.#rule = parseRule(rule);
    let time = 0;
    for (const change of changes ? changes.split(' ') : []) {
      const [step, offset] = change.split(',').map((number) => parseInt(number, 36));
      this.#times.push((time += step));
      this.#offsets.push(offset);
    }
  }

  /** The zone of this name (`Europe/London`), whatever its case; undefined if there is none. */
  static get(name) {
    const wanted = name.toLowerCase();
    const isOf = (packed) => packed.slice(0, packed.indexOf('|')).toLowerCase().split(' ').includes(wanted);
    const packed = ZONES.find(isOf);
    return packed && new TimeZone(packed);
  }

  /** Seconds east of UTC at an instant, in seconds since the epoch. */
  offsetAt(instant) {
    const times = this.#times;
    if (times.length === 0 || instant >= times.at(-1)) return ruleOffset(this.#rule, instant);
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= instant) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? this.#first : this.#offsets[low - 1];
  }

  /**
   * The offset of a wall-clock time, in seconds since 1970-01-01T00:00 on that clock. In an hour that a change of the
   * clocks leaves out or repeats it is the one from before the change, and `isAmbiguous` is true.
   */
  offsetOfWall(wall) {
    const number = Math.floor(wall / 3600);
    let hour = this.#hours.get(number);
    if (hour === undefined) {
      if (this.#hours.size >= HOURS_MAX) this.#hours.clear();
      this.#hours.set(number, (hour = this.#steadyHour(number)));
    }
    return hour ?? this.#look(wall);
  }

  /** The offset of an hour, if one and the same holds from its beginning to its end; else null. */
  #steadyHour(number) {
    const [first, last] = [this.#look(number * 3600), this.#look(number * 3600 + 3599)];
    const isSteady = !first.isAmbiguous && !last.isAmbiguous && first.offset === last.offset;
    return isSteady ? first : null;
  }

  #look(wall) {
    const [before, after] = [this.offsetAt(wall - DAY), this.offsetAt(wall + DAY)];
    const isBefore = this.offsetAt(wall - before) === before;
    const isAfter = this.offsetAt(wall - after) === after;
    if (before === after || isBefore !== isAfter) return { offset: isBefore ? before : after, isAmbiguous: false };
    return { offset: before, isAmbiguous: true };
  }
}
