// Texts and time zones, against the table that the host and the Rust plugins are checked with, and against Node's own.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { TimeZone, parseTime, toMicros } from '../src/time.js';

const TEXTS = new URL('../../../tests/times/texts', import.meta.url);
const [EARLIEST, LATEST] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n];

test('reads what the host reads', () => {
  const london = TimeZone.get('Europe/London');
  for (const line of readFileSync(TEXTS, 'utf8').trimEnd().split('\n').slice(1)) {
    const [text, expected] = line.split('|');
    const time = parseTime(text);
    const micros = time && toMicros(time.wall - (time.offset ?? london.offsetOfWall(time.wall).offset), time.micros);
    const found = !time ? 'not a time' : micros < EARLIEST || micros > LATEST ? 'out of range' : String(micros);
    assert.equal(found, expected.trim(), text);
  }
});

test('days agree with the calendar', () => {
  for (let day = -719_162; day < 2_932_896; day += 997) {
    const text = new Date(day * 86_400_000).toISOString().slice(0, 19);
    for (const form of [text, text.replaceAll(/[-:]/g, '')]) assert.equal(parseTime(form).wall, day * 86_400, form);
  }
  for (const text of ['2026-02-29T08:00:00', '20260229T080000', '1900-02-29T00:00:00', '2026-04-31T00:00:00', '2026-00-01T00:00:00']) {
    assert.equal(parseTime(text), undefined, text);
  }
});

function check(zone, text, offset, isAmbiguous = false) {
  const found = TimeZone.get(zone).offsetOfWall(parseTime(text).wall);
  assert.deepEqual([found.offset, found.isAmbiguous], [offset * 3600, isAmbiguous], `${text} in ${zone}`);
}

test('changes of the clocks', () => {
  check('Europe/London', '2026-03-29T00:59:59', 0);
  check('Europe/London', '2026-03-29T01:30:00', 0, true);
  check('Europe/London', '2026-03-29T02:00:00', 1);
  check('Europe/London', '2026-10-25T01:30:00', 1, true);
  check('Europe/London', '1969-12-31T23:59:59', 1);
  check('Europe/London', '1995-10-24T12:00:00', 0);
  check('America/New_York', '2026-11-01T01:30:00', -4, true);
  check('America/New_York', '9998-07-01T00:00:00', -4);
  check('Asia/Tokyo', '2026-07-01T00:00:00', 9);
  check('Asia/Kolkata', '2026-07-01T00:00:00', 5.5);
  check('Australia/Lord_Howe', '2026-04-05T01:29:00', 11);
  check('Australia/Lord_Howe', '2026-04-05T01:31:00', 11, true);
  check('utc', '2026-07-01T00:00:00', 0);
  assert.equal(TimeZone.get('London'), undefined);
});

/** Node's database may be another edition, so the years are those in which all editions agree. */
test('offsets are those of Node', () => {
  for (const zone of ['Europe/London', 'America/New_York', 'Europe/Berlin', 'Australia/Sydney', 'America/Sao_Paulo', 'Asia/Tehran', 'Africa/Cairo']) {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    const own = TimeZone.get(zone);
    for (let instant = 0; instant < 1_700_000_000; instant += 1_000_003) {
      const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?/.exec(format.format(instant * 1000));
      const expected = sign === undefined ? 0 : (hours * 3600 + minutes * 60) * (sign === '-' ? -1 : 1);
      assert.equal(own.offsetAt(instant), expected, `${zone} at ${instant}`);
    }
  }
});
