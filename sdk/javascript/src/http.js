// Requests to servers, made by the host: only what `[grants.http]` in the file beside the plugin names. A call may be
// repeated, so a server may see a request more than once. A plugin that imports this asks for world transform-with-http.

import { send as hostSend, sendMany as hostSendMany } from 'millstream:plugin/http@0.1.0';

/** Why there is no answer. Uncaught, the batch is tried again if the server may mend it, else the row is at fault. */
export class HttpError extends Error {
  name = 'HttpError';

  constructor(kind, message, isTransient) {
    super(message);
    this.kind = kind;
    this.isTransient = isTransient;
  }
}

const MESSAGES = { timeout: 'the server did not answer in time', 'too-large': 'the answer is too large' };

const failure = ({ tag, val }) => new HttpError(tag, val ?? MESSAGES[tag], tag === 'timeout' || tag === 'failed');

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function toHost({ method = 'GET', url, headers = {}, body = '' }) {
  const bytes = typeof body === 'string' ? encoder.encode(body) : body;
  return { method, url: String(url), headers: Object.entries(headers), body: bytes };
}

class Response {
  constructor({ status, headers, body }) {
    this.status = status;
    this.headers = Object.fromEntries(headers);
    this.body = body;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  text() {
    return decoder.decode(this.body);
  }

  json() {
    return JSON.parse(this.text());
  }

  success() {
    if (this.ok) return this;
    const isBusy = this.status === 408 || this.status === 429 || this.status >= 500;
    throw new HttpError('status', `the server answered ${this.status}`, isBusy);
  }
}

export function send(request) {
  try {
    return new Response(hostSend(toHost(typeof request === 'string' ? { url: request } : request)));
  } catch (error) {
    throw error.payload ? failure(error.payload) : error;
  }
}

export function sendMany(requests) {
  const all = requests.map((request) => toHost(typeof request === 'string' ? { url: request } : request));
  return hostSendMany(all).map(({ tag, val }) => (tag === 'ok' ? new Response(val) : failure(val)));
}
