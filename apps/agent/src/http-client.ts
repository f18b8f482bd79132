import { createRequire } from 'node:module';
import type Http from 'node:http';
import type Https from 'node:https';
import { parseRetryAfter } from './backoff.ts';

// `import` of node:http as a module evaluates all its exports, WebSocket among them, and costs 13 MB; `require` does not.
const load = createRequire(import.meta.url);

/** Requests of one lane go one after the other over one connection; lanes do not wait for each other. */
export type Lane = 'poll' | 'lease' | 'work';

export interface HttpRequest {
  readonly lane: Lane;
  /** Path below the server's address, beginning with a slash. */
  readonly path: string;
  readonly body: unknown;
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number;
  readonly credential: string | null;
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfterMs: number | null;
  /** Parsed JSON; undefined when there was none. */
  readonly body: unknown;
}

/** No answer came: the server is away, the connection broke, the wait was over or given up. */
export class Unreachable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'Unreachable';
  }
}

/** Longest answer that is read; a job document is at most 192 KiB. */
const answerBytes = 2_097_152;

const parseBody = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // for example a proxy's error page; the status says enough
  }
};

const collect = (response: Http.IncomingMessage, into: (answer: HttpAnswer) => void): void => {
  const parts: Buffer[] = [];
  let size = 0;
  response.on('data', (part: Buffer) => {
    size += part.length;
    if (size > answerBytes)
      response.destroy(new Error(`expected an answer of at most ${answerBytes} bytes, got more`));
    else parts.push(part);
  });
  response.on('end', () =>
    into({
      status: response.statusCode ?? 0,
      retryAfterMs: parseRetryAfter(response.headers['retry-after'], Date.now()),
      body: parseBody(Buffer.concat(parts).toString('utf8')),
    }),
  );
};

/** Codes with which a certificate is refused. */
const distrust =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|CERT_|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER))/;

const isDistrust = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && distrust.test(error.code);

/** JSON over HTTP to one server, with connections that are kept. Outbound only. */
export class HttpClient {
  readonly #base: string;
  readonly #userAgent: string;
  readonly #transport: typeof Http | typeof Https;
  readonly #agents: Readonly<Record<Lane, Http.Agent>>;

  /** @param ca certificate authority in PEM to trust instead of the system's; null for the system's */
  constructor(server: URL, userAgent: string, ca: string | null) {
    this.#base = server.href.replace(/\/+$/, '');
    this.#userAgent = userAgent;
    const options = { keepAlive: true, maxSockets: 1 };
    if (server.protocol === 'https:') {
      const https: typeof Https = load('node:https');
      const create = () =>
        new https.Agent({ ...options, minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca }) });
      this.#transport = https;
      this.#agents = { poll: create(), lease: create(), work: create() };
    } else {
      const http: typeof Http = load('node:http');
      const create = () => new http.Agent(options);
      this.#transport = http;
      this.#agents = { poll: create(), lease: create(), work: create() };
    }
  }

  /**
   * Posts a body and reads the answer, whatever its status. A request that met a connection which the server had just
   * closed is sent once more at once.
   * @throws Unreachable when there is no answer
   */
  async post(request: HttpRequest): Promise<HttpAnswer> {
    const payload = Buffer.from(JSON.stringify(request.body));
    try {
      return await this.#exchange(request, payload);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      return await this.#exchange(request, payload);
    }
  }

  /** Closes all connections. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #exchange(request: HttpRequest, payload: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const { lane, path, timeoutMs, credential, signal } = request;
      const outgoing = this.#transport.request(`${this.#base}${path}`, {
        method: 'POST',
        agent: this.#agents[lane],
        headers: {
          'content-type': 'application/json',
          'content-length': payload.length,
          accept: 'application/json, application/problem+json',
          'user-agent': this.#userAgent,
          ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        },
      });
      const stop = () => outgoing.destroy(new Error('given up'));
      const timer = setTimeout(() => {
        outgoing.destroy(new Error(`expected an answer within ${timeoutMs} ms, got none`));
      }, timeoutMs);
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
      };
      const fail = (error: Error) => {
        settle();
        const isStale = outgoing.reusedSocket && 'code' in error && error.code === 'ECONNRESET';
        const what = isDistrust(error)
          ? 'expected a certificate that the trusted authority signed for this address, got another one; nothing was sent'
          : 'no answer';
        reject(new (isStale ? StaleConnection : Unreachable)(`POST ${path}: ${what}`, error));
      };
      outgoing.once('error', fail);
      outgoing.once('response', (response) => {
        response.once('error', fail);
        collect(response, (answer) => {
          settle();
          resolve(answer);
        });
      });
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted === true) stop();
      else outgoing.end(payload);
    });
  }
}

/** A kept connection was closed by the server before it answered. */
class StaleConnection extends Unreachable {}
