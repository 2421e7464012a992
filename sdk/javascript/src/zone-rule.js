// The rule that a time zone follows in all years behind its last recorded change, as POSIX writes it
// (`GMT0BST,M3.5.0/1,M10.5.0`): from the text to the offset at an instant.

const NAME = '(?:<[^>]+>|[A-Za-z]+)';
const TIME = '[+-]?\\d+(?::\\d+(?::\\d+)?)?';
const RULE = new RegExp(`^${NAME}(${TIME})(?:${NAME}(${TIME})?,M(\\d+)\\.(\\d)\\.(\\d)(?:/(${TIME}))?,M(\\d+)\\.(\\d)\\.(\\d)(?:/(${TIME}))?)?$`);

export const DAY = 86_400;

function seconds(text) {
  const [hours, minutes = 0, rest = 0] = text.split(':').map((part) => Math.abs(Number(part)));
  return (text.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60 + rest);
}

/** Offsets in seconds east, and the days and times of day on which they change. */
export function parseRule(text) {
  const parts = RULE.exec(text);
  if (!parts) throw new TypeError(`no rule of a time zone: ${text}`);
  const [, standard, summer, ...days] = parts;
  const offset = 0 - seconds(standard);
  if (days[0] === undefined) return { offset };
  const change = ([month, week, weekday, time = '2']) => ({ month: +month, week: +week, weekday: +weekday, time: seconds(time) });
  return {
    offset,
    summerOffset: summer === undefined ? offset + 3600 : 0 - seconds(summer),
    begin: change(days.slice(0, 4)),
    end: change(days.slice(4)),
  };
}

/** The offset at `instant`, in seconds since the epoch. */
export function ruleOffset(rule, instant) {
  if (rule.summerOffset === undefined) return rule.offset;
  const year = yearOf(instant + rule.offset);
  const begin = secondsOf(rule.begin, year) - rule.offset;
  const end = secondsOf(rule.end, year) - rule.summerOffset;
  const isSummer = begin < end ? begin <= instant && instant < end : !(end <= instant && instant < begin);
  return isSummer ? rule.summerOffset : rule.offset;
}

const yearOf = (wall) => new Date(wall * 1000).getUTCFullYear();

/** The wall-clock second of a change in a year: the `week`th weekday of the month, 5 is the last. */
function secondsOf({ month, week, weekday, time }, year) {
  const first = daysSinceEpoch(year, month, 1);
  const weekdayOfFirst = (((first + 4) % 7) + 7) % 7;
  let day = first + ((weekday - weekdayOfFirst + 7) % 7) + (week - 1) * 7;
  if (day >= first + daysOfMonth(year, month)) day -= 7;
  return day * DAY + time;
}

export function daysOfMonth(year, month) {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/**
 * Days from 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms":
 * years begin in March, so that the leap day comes last).
 */
export function daysSinceEpoch(year, month, day) {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.trunc((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
