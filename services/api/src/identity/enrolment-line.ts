/** The line that an administrator pastes on a device. */
export class EnrolmentLine {
  readonly #publicUrl: string | undefined;
  readonly #caFingerprint: string | undefined;
  constructor(settings: {
    readonly publicUrl: string | undefined;
    readonly caFingerprint: string | undefined;
  }) {
    this.#publicUrl = settings.publicUrl;
    this.#caFingerprint = settings.caFingerprint;
  }

  /** Null where the public address is not known. The token stands in the environment, where other accounts cannot see it. */
  line(token: string): string | null {
    if (this.#publicUrl === undefined) return null;
    const pin = this.#caFingerprint === undefined ? '' : ` --ca-fingerprint ${this.#caFingerprint}`;
    return `SIGNALBOX_TOKEN=${token} node signalbox-agent.mjs --server ${this.#publicUrl}${pin}`;
  }
}
