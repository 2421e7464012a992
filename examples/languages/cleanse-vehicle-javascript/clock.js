// When a reading was made: the instant that the device reports, and whether that is later than the message itself by
// more than a device's clock may be wrong.

import { TimeZone, parseTime, toMicros } from '@millstream/sdk/time';

/** The years 1 to 9999, in seconds. */
const [EARLIEST, LATEST] = [-62_135_596_800, 253_402_300_799];

export class Clock {
  #zone;
  #refusesChanges;
  #futureMax;

  static of({ zone, clock_change, future_max_seconds }, problems) {
    const clock = new Clock();
    clock.#zone = TimeZone.get(zone);
    clock.#refusesChanges = clock_change === 'reject';
    clock.#futureMax = BigInt(Math.trunc(future_max_seconds * 1e6));
    if (clock.#zone) return clock;
    problems.push({ path: 'zone', message: `no time zone is called \`${zone}\`: write an IANA name as \`Europe/London\`` });
  }

  /** Sets `instant` and `inFuture`; returns the rule that is broken. */
  read(vehicle) {
    if (vehicle.reportedAt === null) return '`timestamp` is missing';
    const time = parseTime(vehicle.reportedAt);
    if (!time) return '`timestamp` is not an ISO-8601 time';
    let { offset } = time;
    if (offset === undefined) {
      const local = this.#zone.offsetOfWall(time.wall);
      if (local.isAmbiguous && this.#refusesChanges) return '`timestamp` falls into a change of the clocks';
      offset = local.offset;
    }
    const seconds = time.wall - offset;
    if (seconds < EARLIEST || seconds > LATEST) return '`timestamp` is out of range: not in the years 1 to 9999';
    vehicle.instant = toMicros(seconds, time.micros);
    if (vehicle.receivedAt !== null) vehicle.inFuture = vehicle.instant > vehicle.receivedAt + this.#futureMax;
  }
}
