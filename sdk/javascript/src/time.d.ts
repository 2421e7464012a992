/** Times as texts, and time zones: the engine that plugins run in has neither Temporal nor Intl. */

/**
 * What an ISO 8601 text of a date and a time of day says: `wall`, seconds since 1970-01-01T00:00 on its own clock, the
 * `micros` of the second (further digits are cut off), and `offset`, seconds east of UTC, if it states one. Undefined if
 * it is no such text. A leap second is read as the one before.
 */
export function parseTime(text: string): { wall: number; micros: number; offset: number | undefined } | undefined;

/** Seconds and microseconds since the epoch as a timestamp column takes them. */
export function toMicros(seconds: number, micros?: number): bigint;

/** A zone of the IANA database, which is part of the SDK. */
export class TimeZone {
  private constructor();
  /** The zone of this name (`Europe/London`), whatever its case; undefined if there is none. */
  static get(name: string): TimeZone | undefined;
  /** Seconds east of UTC at an instant, in seconds since the epoch. */
  offsetAt(instant: number): number;
  /**
   * The offset of a wall-clock time, in seconds since 1970-01-01T00:00 on that clock. In an hour that a change of the
   * clocks leaves out or repeats it is the one from before the change, and `isAmbiguous` is true.
   */
  offsetOfWall(wall: number): { offset: number; isAmbiguous: boolean };
}
