import { NotFound, NotImgen, Refusal } from "./errors.js";
import type { Transport, Waiting } from "./transport.js";
import type { Meta } from "./types.js";

/** What the server put into the file, for others to find. `client.verify` asks whether it is still there. */
export interface Credentials {
  /** C2PA content credentials, signed. */
  readonly signed: boolean;
  /** The invisible mark. */
  readonly marked: boolean;
  /** PDQ hash, 64 hexadecimal digits. */
  readonly fingerprint: string;
}

/** A picture that was made and found safe. */
export class Picture {
  readonly meta: Meta;
  /** Whether it was made for another request, and came from the cache. */
  readonly cached: boolean;
  readonly #transport: Transport;
  readonly #again: (waiting?: Waiting) => Promise<Meta>;

  constructor(transport: Transport, meta: Meta, cached: boolean, again: (waiting?: Waiting) => Promise<Meta>) {
    this.meta = meta;
    this.cached = cached;
    this.#transport = transport;
    this.#again = again;
  }

  /** A signed link, for minutes. */
  get url(): string {
    return link(this.meta, "signed");
  }

  get thumbnailUrl(): string {
    return link(this.meta, "thumbnail");
  }

  get credentials(): Credentials {
    const { enable_c2pa, enable_invisimark, fingerprint } = this.meta;
    return { signed: enable_c2pa, marked: enable_invisimark, fingerprint };
  }

  /** The file. A link that has expired is asked for anew. */
  async bytes(waiting?: Waiting): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await this.#transport.download(this.url, waiting);
    } catch (error) {
      if (!(error instanceof Refusal) || (error.status !== 403 && !(error instanceof NotFound))) throw error;
      return this.#transport.download(link(await this.#again(waiting), "signed"), waiting);
    }
  }
}

function link(meta: Meta, type: string): string {
  const found = meta.images.find((image) => image.type === type);
  if (!found) throw new NotImgen(`the answer has no link of the ${type} picture`);
  return found.url;
}
