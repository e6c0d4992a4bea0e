import { toBase64 } from "./base64.js";
import { randomKey } from "./crypto.js";
import { NotImgen } from "./errors.js";
import { Job } from "./job.js";
import { Transport, type Waiting } from "./transport.js";
import type { GenerateOptions, Models, Ordered, Prompted, Usage, Verification } from "./types.js";

export interface ImgenOptions {
  /** Of the server, such as `https://imgen.example.com`; in a page its own by default. */
  url?: string;
  /** Only `verify` goes without one. */
  key?: string;
  /** Without a byte for so long, a request is given up and sent again: 60 s. */
  timeoutMs?: number;
  /** The same of a stream, in which something comes every 15 s: 45 s. */
  silenceMs?: number;
  /** For so long is waited for a server that is away, busy or full: 30 s; 0: not at all. */
  patienceMs?: number;
  /** Between two polls, where there are no events: 1 s. */
  pollMs?: number;
  fetch?: typeof fetch;
}

export interface OrderOptions extends Waiting {
  /** One's own, to be able to repeat an order in another process. By default the client makes one for each order. */
  idempotencyKey?: string | undefined;
}

/** One server, as one key sees it. */
export class Imgen {
  readonly #transport: Transport;
  readonly #pollMs: number;

  constructor(options: ImgenOptions = {}) {
    const url = options.url ?? (globalThis as { location?: { origin: string } }).location?.origin;
    if (!url || !/^https?:\/\//.test(url)) throw new TypeError("url: expected the server's address, http:// or https://");
    const { key, timeoutMs = 60_000, silenceMs = 45_000, patienceMs = 30_000, pollMs = 1_000 } = options;
    const fetcher = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#transport = new Transport(url, key, timeoutMs, silenceMs, patienceMs, fetcher);
    this.#pollMs = pollMs;
  }

  /** Orders a picture. Sent again where no answer came; by its idempotency key it is one order all the same. */
  async generate(prompt: string, fields: GenerateOptions = {}, options: OrderOptions = {}): Promise<Job> {
    const idempotency_key = options.idempotencyKey ?? (await randomKey());
    const body = { ...fields, action: "generate", prompt, idempotency_key };
    const ordered = (await this.#transport.call(body, options)) as Ordered;
    if (typeof ordered.id !== "string") throw new NotImgen("the answer names no job");
    return new Job(this.#transport, this.#pollMs, ordered.id, ordered);
  }

  /** A job that was ordered before, in a day. */
  job(id: string): Job {
    return new Job(this.#transport, this.#pollMs, id);
  }

  /** Whether a picture was made here: of a file, or of an https address that the server is to look at. */
  async verify(picture: Blob | Uint8Array | URL, waiting?: Waiting): Promise<Verification> {
    const where = picture instanceof URL ? { url: picture.href } : { image: await dataUri(picture) };
    return (await this.#transport.call({ action: "verify", ...where }, waiting)) as Verification;
  }

  async models(waiting?: Waiting): Promise<Models> {
    return (await this.#transport.call({ action: "models" }, waiting)) as Models;
  }

  /** What the key has used in so many days, today included, and the limits that it was given. */
  async usage(days = 30, waiting?: Waiting): Promise<Usage> {
    return (await this.#transport.call({ action: "usage", days }, waiting)) as Usage;
  }

  /** A prompt for someone without an idea. `character`: at random if it is left out, nobody if it is "". */
  async random(character?: string, waiting?: Waiting): Promise<string> {
    const body = character === undefined ? {} : { character };
    return ((await this.#transport.call({ action: "random", ...body }, waiting)) as Prompted).prompt;
  }

  /** A better prompt. `model`: whose characters it may name. */
  async optimize(prompt: string, model?: string, waiting?: Waiting): Promise<string> {
    const body = model === undefined ? { prompt } : { prompt, model };
    return ((await this.#transport.call({ action: "optimize", ...body }, waiting)) as Prompted).prompt;
  }
}

async function dataUri(picture: Blob | Uint8Array): Promise<string> {
  const bytes = picture instanceof Uint8Array ? picture : new Uint8Array(await picture.arrayBuffer());
  return `data:application/octet-stream;base64,${toBase64(bytes)}`;
}
