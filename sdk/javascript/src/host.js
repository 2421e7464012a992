// The one seam to what a plugin imports: in a component `export.js` puts the host's functions here at the first call,
// natively (and while a component is built) nothing is there.

/** The host's functions, or undefined. */
export let host;

export function attach(functions) {
  host = functions;
}
