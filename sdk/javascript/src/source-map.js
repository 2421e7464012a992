// Finds the author's line of a line of the bundle: reads the mappings of a source map (ECMA-426) when the first
// error is looked up. It knows only numbers and names of files, and runs in the plugin and in the build alike.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * A source map as `build.mjs` puts it into a plugin: a source without a name is one of the SDK's.
 *
 * @typedef {{ sources: (string | null)[], mappings: string }} SourceMap
 */

export class SourceLines {
  #map;
  #lines;

  /** @param {SourceMap} map */
  constructor(map) {
    this.#map = map;
  }

  /**
   * The place that a place of the bundle comes from; lines and columns count from 1.
   *
   * @returns {{ source: string | null, line: number } | undefined} nothing if no source has it
   */
  find(line, column) {
    this.#lines ??= decode(this.#map.mappings);
    const segments = this.#lines[line - 1] ?? [];
    const segment = segments.findLast((segment) => segment.column < column) ?? segments[0];
    return segment && { source: this.#map.sources[segment.source], line: segment.line + 1 };
  }
}

function decode(mappings) {
  let [source, line] = [0, 0];
  return mappings.split(';').map((text) => {
    let column = 0;
    const segments = [];
    for (const numbers of text.split(',').map(decodeNumbers)) {
      if (numbers.length < 4) continue;
      column += numbers[0];
      source += numbers[1];
      line += numbers[2];
      segments.push({ column, source, line });
    }
    return segments;
  });
}

/** Base64 digits of five bits, least significant first; the sixth bit says that more follow, the first one is the sign. */
function decodeNumbers(text) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const letter of text) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
