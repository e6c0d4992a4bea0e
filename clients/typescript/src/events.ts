// Server-sent events, as WHATWG's HTML standard (9.2.6) reads them.

export interface ServerEvent {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

const MAX_LINE_CHARACTERS = 1 << 20;

/** Reads a stream piece by piece. `id` and `retryMs` are the last that were told. */
export class EventReader {
  id = "";
  retryMs: number | undefined;
  readonly #decoder = new TextDecoder(); // takes a byte order mark away
  #rest = "";
  #afterReturn = false;
  #name = "";
  #data: string[] = [];

  /** The events that this piece completes. Throws RangeError where a line or an event has no end. */
  read(piece: Uint8Array): ServerEvent[] {
    let text = this.#decoder.decode(piece, { stream: true });
    if (this.#afterReturn && text.startsWith("\n")) text = text.slice(1); // of a \r\n that came in two
    if (text) this.#afterReturn = text.endsWith("\r");
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MAX_LINE_CHARACTERS) throw new RangeError("an event's line has no end");
    return lines.map((line) => this.#take(line)).filter((event) => event !== undefined);
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") return this.#end();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "data") this.#append(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d{1,7}$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #append(line: string): void {
    this.#data.push(line);
    const size = this.#data.reduce((sum, each) => sum + each.length, 0);
    if (size > MAX_LINE_CHARACTERS) throw new RangeError("an event has no end");
  }

  #end(): ServerEvent | undefined {
    const event = { id: this.id, name: this.#name || "message", data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? undefined : event;
  }
}
