// The server, as this page sees it: its client, whether it answers, and what it offers.

import { computed, effect, signal } from "@preact/signals";
import { Imgen, ImgenError, Refusal, Unauthorized, Unreachable, type Models } from "imgen-client";
import { forget, key } from "./session.js";

const PATIENCE_MS = 3_600_000; // an order waits for a server that is away, as long as the page is open
const ANSWERS_OF_500 = 2; // after so many the server's own fault is told
const FRESH_MS = 60_000;
export const KEY_REFUSED = "The server does not know this key, or it was disabled.";

export interface Facts {
  version: string;
  sizes: [number, number][];
  formats: string[];
  max_prompt_characters: number;
  max_file_bytes: number;
}
type Tiles = Record<string, { styles: Record<string, string>; characters: Record<string, string> }>;

/** Of this page, without a slash at its end. */
export const base = new URL(".", location.href).href.replace(/\/$/, "");
export const away = signal(false);
export const facts = signal<Facts | undefined>(undefined);
export const models = signal<Models | undefined>(undefined);
export const tiles = signal<Tiles>({});

export const imgen = computed(() => new Imgen({ url: base, patienceMs: PATIENCE_MS, ...(key.value ? { key: key.value } : {}) }));

interface Asking {
  signal: AbortSignal;
  onAway: (error: ImgenError) => void;
}

/**
 * What `ask` answers, however long the server is away. `onWaiting` is told why nothing comes yet.
 *
 * Throws ImgenError, or the signal's reason.
 */
export async function patiently<T>(
  ask: (asking: Asking) => Promise<T>,
  { signal: outer, onWaiting }: { signal?: AbortSignal; onWaiting?: (words: string) => void } = {},
): Promise<T> {
  const stop = new AbortController();
  const end = () => stop.abort(outer?.reason);
  outer?.addEventListener("abort", end, { once: true });
  if (outer?.aborted) end();
  let faults = 0;
  const onAway = (error: ImgenError) => {
    if (error instanceof Unreachable) away.value = true;
    else answered();
    const isFault = error instanceof Refusal && error.status >= 500 && error.status !== 503;
    if (isFault && ++faults >= ANSWERS_OF_500) stop.abort(error);
    onWaiting?.(sentence(error));
  };
  try {
    const answer = await ask({ signal: stop.signal, onAway });
    answered();
    return answer;
  } catch (error) {
    if (error instanceof Unauthorized && key.value) forget(KEY_REFUSED);
    throw error;
  } finally {
    outer?.removeEventListener("abort", end);
  }
}

/** Something came from the server. */
export function answered(): void {
  away.value = false;
}

/** Throws ImgenError where the server does not take this key. */
export async function check(candidate: string): Promise<void> {
  await new Imgen({ url: base, key: candidate, patienceMs: 5_000 }).models();
}

/** What went wrong, for people. */
export function sentence(error: unknown): string {
  if (error instanceof Unreachable) return "The server does not answer.";
  if (error instanceof Unauthorized) return KEY_REFUSED;
  if (!(error instanceof Refusal)) return error instanceof Error ? ended(error.message) : "Something went wrong.";
  const words = SENTENCES[error.message] ?? ended(error.message);
  const detail = error.detail ? ` ${ended(error.detail)}` : "";
  const again = error.retryAfter ? ` Trying again in ${Math.ceil(error.retryAfter)} s.` : "";
  return words + detail + again;
}

const SENTENCES: Record<string, string> = {
  "Prompt is required": "Say what the picture shall show.",
  "Invalid character": "This character is not to be had.",
  "Only one character per prompt": "A prompt can have one character.",
  "Enhancement failed": "The language model gave no better prompt.",
  "Generation failed": "The picture could not be made.",
  "Queue is full": "The queue is full.",
  "Bad ID": "The server no longer knows this picture.",
  "Request body is too large": "The file is too large.",
};

function ended(words: string): string {
  return /[.!?…]$/.test(words) ? words : `${words}.`;
}

let lookedAt = 0;

/** Loads what the server offers, if it was not looked at a moment ago. */
async function look(force: boolean): Promise<void> {
  const now = Date.now();
  if (!key.value || (!force && now - lookedAt < FRESH_MS)) return;
  lookedAt = now;
  const asker = imgen.value;
  try {
    const [offered, drawn] = await Promise.all([
      patiently((asking) => asker.models(asking)),
      fetch(`${base}/api/v2/tiles`, { headers: authorization() }).then((answer) => (answer.ok ? answer.json() : { models: {} })),
    ]);
    if (asker !== imgen.value) return;
    models.value = offered;
    tiles.value = (drawn as { models: Tiles }).models;
  } catch {
    lookedAt = 0; // its reason was told: no key, or the server is away
  }
}

async function learn(): Promise<void> {
  for (let wait = 500; !facts.value; wait = Math.min(wait * 2, 8_000)) {
    try {
      const answer = await fetch(`${base}/page/facts.json`);
      if (answer.ok) facts.value = (await answer.json()) as Facts;
      answered();
    } catch {
      away.value = true;
    }
    if (!facts.value) await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

const tileUrls = new Map<string, string | Promise<string>>();

/** Of the small picture: "" where there is none. It is fetched with the key, which no address can hold. */
export function tileUrl(model: string, kind: "styles" | "characters", name: string): string | Promise<string> {
  const digest = tiles.value[model]?.[kind]?.[name];
  if (!digest) return "";
  const path = `${base}/api/v2/tiles/${model}/${kind}/${name}?v=${digest}`;
  const known = tileUrls.get(path);
  if (known !== undefined) return known;
  const coming = fetch(path, { headers: authorization() })
    .then(async (answer) => (answer.ok ? URL.createObjectURL(await answer.blob()) : ""))
    .catch(() => "");
  tileUrls.set(path, coming);
  void coming.then((url) => (url ? tileUrls.set(path, url) : tileUrls.delete(path)));
  return coming;
}

function authorization(): Record<string, string> {
  return key.value ? { Authorization: `Bearer ${key.value}` } : {};
}

export function startServer(): void {
  void learn();
  effect(() => {
    if (key.value) void look(true);
    else models.value = undefined;
  });
  addEventListener("focus", () => void look(false));
  let wasAway = false;
  effect(() => {
    if (wasAway && !away.value) void look(true);
    wasAway = away.value;
  });
}
