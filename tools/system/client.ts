/** The few requests to the public API that start, demo, tests and bench need. */
export interface Client {
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<unknown>;
  /** Status and body, whatever they are. */
  request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** Messages of a server-sent event stream until it ends. */
  stream(
    path: string,
    signal?: AbortSignal,
    headers?: Readonly<Record<string, string>>,
  ): AsyncGenerator<Message>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Message {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

const messageOf = (text: string): Message | undefined => {
  const field = (name: string): string =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trimStart())
      .join('\n');
  const data = field('data');
  return data === '' ? undefined : { event: field('event'), id: field('id'), data: JSON.parse(data) };
};

/**
 * @param url public address
 * @param key API key
 * @param timeoutMs longest wait for an answer in milliseconds, streams excepted; without it there is none
 */
export const createClient = (url: string, key: string, timeoutMs?: number): Client => {
  const authorization = `Bearer ${key}`;
  const request: Client['request'] = async (method, path, body, headers = {}) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
    });
    const text = await answer.text();
    const isJson = (answer.headers.get('content-type') ?? '').includes('json');
    return {
      status: answer.status,
      headers: answer.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  };
  const ok = async (
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => {
    const answer = await request(method, path, body, headers);
    if (answer.status < 300) return answer.body;
    throw new Error(
      `expected ${method} ${path} to succeed, got ${answer.status}: ${JSON.stringify(answer.body)}`,
    );
  };
  return {
    request,
    get: (path) => ok('GET', path),
    post: (path, body, headers) => ok('POST', path, body, headers),
    stream: async function* (path, signal, headers) {
      const answer = await fetch(`${url}${path}`, {
        headers: { authorization, accept: 'text/event-stream', ...headers },
        ...(signal === undefined ? {} : { signal }),
      });
      if (!answer.ok || answer.body === null) {
        throw new Error(`expected a stream from ${path}, got ${answer.status}: ${await answer.text()}`);
      }
      let rest = '';
      for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + chunk).split('\n\n');
        rest = parts.pop() ?? '';
        for (const part of parts) {
          const message = messageOf(part);
          if (message !== undefined) yield message;
        }
      }
    },
  };
};

/** A property of an answer, where it is there. */
export const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;

/** A text property of an answer. @throws Error where it is no text */
export const textField = (value: unknown, name: string): string => {
  const found = field(value, name);
  if (typeof found === 'string') return found;
  throw new Error(`expected a text "${name}", got ${JSON.stringify(value)}`);
};
