/**
 * Requests to servers, made by the host: only what `[grants.http]` in the file beside the plugin names. The credentials
 * that the host adds are never seen here. A call may be repeated, so a server may see a request more than once. A plugin
 * that imports this module runs only with such a grant.
 */

export interface Request {
  url: string | URL;
  /** `GET` if there is none. */
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export interface Response {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  /** True for 200 to 299. */
  readonly ok: boolean;
  text(): string;
  json(): any;
  /**
   * Itself, if the status is one of success.
   *
   * @throws {HttpError} which, uncaught, has the batch tried again if the server says that it is busy or broken
   */
  success(): Response;
}

/** Why there is no answer, or why an answer is of no use. Uncaught, the batch is tried again if the server may mend it; else the row is at fault. */
export class HttpError extends Error {
  readonly kind: 'denied' | 'timeout' | 'too-large' | 'failed' | 'status';
}

/**
 * Sends a request (an address alone is a GET) and waits for the answer, of whatever status. For the rows of a batch
 * `sendMany` in `prepare` waits once.
 *
 * @throws {HttpError}
 */
export function send(request: string | Request): Response;

/** Sends all and waits until each is answered or has failed; in the order of the requests. */
export function sendMany(requests: (string | Request)[]): (Response | HttpError)[];
