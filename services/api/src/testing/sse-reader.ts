export interface SseMessage {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

const parse = (block: string): SseMessage | undefined => {
  const fields = new Map(
    block
      .split('\n')
      .filter((line) => /^[a-z]+: /.test(line))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? '', data: JSON.parse(data) };
};

/** Messages of a stream of server-sent events until it ends. */
export async function* sseMessages(response: Response): AsyncGenerator<SseMessage> {
  if (response.body === null) throw new Error('expected a body, got none');
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const message = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (message !== undefined) yield message;
    }
  }
}
