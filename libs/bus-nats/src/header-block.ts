import { MsgHdrsImpl, type MsgHdrs } from '@nats-io/transport-node';

/**
 * Headers written and read as one block of text. The client's own coding takes 8 µs to write and 10 µs to read the 19
 * headers of an event, this takes 1.2 and 1.9 µs (Node 24); a job's four events are read by five readers.
 */

const unsafe = /[^\x21\x23\x24\x26-\x7e]/u;

/** CloudEvents 1.0, NATS binding: spaces, quotes, per cent signs and what is not printable ASCII are percent-encoded. */
export const encodeValue = (text: string): string =>
  unsafe.test(text)
    ? Array.from(text, (char) => (unsafe.test(char) ? encodeChar(char) : char)).join('')
    : text;

const encodeChar = (char: string): string =>
  Array.from(
    new TextEncoder().encode(char),
    (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');

/** Undoes {@link encodeValue}. Throws URIError on a broken escape. */
export const decodeValue = (text: string): string => (text.includes('%') ? decodeURIComponent(text) : text);

/** A header block whose text is known; the client only asks it for its bytes. */
export class HeaderBlock extends MsgHdrsImpl {
  readonly #text: string;

  /** @param fields lines of the form `name: value`, each ended by CR LF; values hold no CR or LF */
  constructor(fields: string) {
    super();
    this.#text = `NATS/1.0\r\n${fields}\r\n`;
  }

  override encode(): Uint8Array {
    return Buffer.from(this.#text, 'latin1');
  }
}

/** Header fields by name in lower case; of a repeated name the first counts. */
export type HeaderFields = ReadonlyMap<string, string>;

export const parseFields = (block: Uint8Array): HeaderFields => {
  const text = Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1');
  const fields = new Map<string, string>();
  let start = text.indexOf('\r\n') + 2;
  for (;;) {
    const end = text.indexOf('\r\n', start);
    if (end <= start) return fields;
    const colon = text.indexOf(':', start);
    if (colon > start && colon < end) {
      const name = text.slice(start, colon).toLowerCase();
      if (!fields.has(name)) fields.set(name, text.slice(colon + 1, end).trim());
    }
    start = end + 2;
  }
};

/** The header block of a received message as bytes, as the client keeps it; undefined if this client keeps it elsewhere. */
const rawBlock = (message: object): Uint8Array | undefined => {
  const frame: unknown = Reflect.get(message, '_msg');
  const bytes: unknown = Reflect.get(message, '_rdata');
  if (typeof frame !== 'object' || frame === null || !(bytes instanceof Uint8Array)) return undefined;
  const length: unknown = Reflect.get(frame, 'hdr');
  return typeof length === 'number' && length > 0 ? bytes.subarray(0, length) : undefined;
};

const fieldsOf = (headers: MsgHdrs): HeaderFields => {
  const fields = new Map<string, string>();
  for (const name of headers.keys()) {
    const key = name.toLowerCase();
    if (!fields.has(key)) fields.set(key, headers.get(name));
  }
  return fields;
};

/** Fields of a message's headers; empty when it has none. */
export const headerFields = (message: { readonly headers?: MsgHdrs | undefined }): HeaderFields => {
  const block = rawBlock(message);
  if (block !== undefined) return parseFields(block);
  return message.headers === undefined ? new Map() : fieldsOf(message.headers);
};
