// What this browser ordered in the last day. The ids are kept in localStorage, a row for each, so that two tabs
// never write over each other; pictures are asked for by `status`.

import { effect, signal, untracked, type Signal } from "@preact/signals";
import { BadRequest, isPending, type GenerateOptions, type Job, type Status } from "imgen-client";
import { key } from "./session.js";
import { answered, imgen, patiently, sentence } from "./server.js";
import { say } from "./announce.js";

const DAY_MS = 86_400_000;
const MOST = 500;
const POLL_MS = 1_200;
const HIDDEN_POLL_MS = 5_000;

export interface Order {
  prompt: string;
  fields: GenerateOptions;
}

export interface Entry extends Order {
  /** Its idempotency key, by which it is drawn once however often it is sent. */
  name: string;
  time: number;
  /** Once the server has taken it. */
  id?: string;
  /** As the server reads the prompt. */
  read?: string;
  notes?: readonly string[];
  finished?: boolean;
}

export interface Live {
  status?: Status;
  /** Why there is nothing more to come, or why it does not come yet. */
  words?: string;
  gone?: boolean;
}

/** Newest first. */
export const entries = signal<Entry[]>([]);
export const storageIsFull = signal(false);
export const orderProblem = signal("");

const lives = new Map<string, Signal<Live>>();
const sending = new Map<string, AbortController>();
let prefix = "";

export function liveOf(name: string): Signal<Live> {
  let found = lives.get(name);
  if (!found) lives.set(name, (found = signal<Live>({})));
  return found;
}

export function startGallery(): void {
  effect(() => {
    const secret = key.value;
    untracked(() => open(secret));
  });
  addEventListener("storage", (event) => {
    if (!prefix || !event.key?.startsWith(prefix)) return;
    const name = event.key.slice(prefix.length);
    const entry = event.newValue ? parse(event.newValue) : undefined;
    put(name, entry);
    resume();
  });
  document.addEventListener("visibilitychange", () => void follow());
}

/** The gallery of this key. */
function open(secret: string | undefined): void {
  for (const stop of sending.values()) stop.abort();
  sending.clear();
  prefix = secret ? `imgen.${namespace(secret)}.` : "";
  lives.clear();
  entries.value = prefix ? load() : [];
  resume();
}

/** Orders pictures. Nothing is drawn twice, even where the page is closed in between. */
export function order(orders: readonly Order[]): void {
  orderProblem.value = "";
  const time = Date.now();
  for (const [number, each] of orders.entries()) {
    const entry: Entry = { ...each, name: randomName(), time: time + number };
    save(entry);
    void send(entry);
  }
}

export async function remove(entry: Entry): Promise<void> {
  sending.get(entry.name)?.abort();
  try {
    localStorage.removeItem(prefix + entry.name);
  } catch {
    // It was not kept.
  }
  const live = liveOf(entry.name).value;
  put(entry.name, undefined);
  if (entry.id && !entry.finished && (!live.status || isPending(live.status))) {
    await imgen.value.job(entry.id).cancel().catch(() => undefined); // finished in this very moment, or gone
  }
}

/** Asks where it stands, for links that still lead somewhere. */
export async function ask(entry: Entry): Promise<void> {
  if (!entry.id) return;
  const job = imgen.value.job(entry.id);
  try {
    take(entry, await patiently((asking) => job.status(asking)));
  } catch (error) {
    refuse(entry, error);
  }
}

async function send(entry: Entry): Promise<void> {
  if (sending.has(entry.name)) return;
  const stop = new AbortController();
  sending.set(entry.name, stop);
  const live = liveOf(entry.name);
  try {
    const job = await patiently(
      (asking) => imgen.value.generate(entry.prompt, entry.fields, { ...asking, idempotencyKey: entry.name }),
      { signal: stop.signal, onWaiting: (words) => (live.value = { words }) },
    );
    live.value = {};
    accepted(entry, job);
  } catch (error) {
    if (stop.signal.aborted) return;
    orderProblem.value = sentence(error);
    sending.delete(entry.name);
    await remove(entry);
  } finally {
    sending.delete(entry.name);
  }
  void follow();
}

function accepted(entry: Entry, job: Job): void {
  const told = job.ordered;
  save({ ...entry, id: job.id, ...(told ? { read: told.prompt } : {}), ...(told?.notes ? { notes: told.notes } : {}) });
}

function take(entry: Entry, status: Status): void {
  answered();
  const live = liveOf(entry.name);
  const before = live.peek().status;
  live.value = { status };
  if (isPending(status)) return;
  const current = entries.value.find((each) => each.name === entry.name);
  if (current && !current.finished) save({ ...current, finished: true });
  if (before && isPending(before)) say(told(status));
}

function told(status: Status): string {
  if ("meta" in status) return "A picture is finished.";
  if ("compliance" in status) return `A picture was blocked. ${status.error}`;
  return status.status === "CANCELLED" ? "A picture was cancelled." : "A picture could not be made.";
}

function refuse(entry: Entry, error: unknown): void {
  if (error instanceof BadRequest) liveOf(entry.name).value = { words: sentence(error), gone: true };
}

/** Sends what has not been taken yet, and follows what is not finished. */
function resume(): void {
  for (const entry of entries.value) if (!entry.id) void send(entry);
  void follow();
}

function unfinished(): Entry[] {
  const gone = (entry: Entry) => liveOf(entry.name).peek().gone;
  return entries.value.filter((entry) => entry.id && !entry.finished && !gone(entry)).reverse();
}

let following = false;
let stream: { name: string; stop: AbortController } | undefined;

/**
 * One open stream for each tab that is looked at, of the picture that comes next; the others are polled: a browser
 * opens six connections to a server, for all of its tabs together.
 */
async function follow(): Promise<void> {
  if (following) return;
  following = true;
  try {
    for (let open = unfinished(); open.length; open = unfinished()) {
      const [next, ...others] = open;
      if (next) listen(document.hidden ? undefined : next);
      for (const entry of document.hidden ? open : others) await ask(entry);
      await new Promise((resolve) => setTimeout(resolve, document.hidden ? HIDDEN_POLL_MS : POLL_MS));
    }
  } finally {
    listen(undefined);
    following = false;
  }
}

function listen(entry: Entry | undefined): void {
  if (stream && stream.name === entry?.name) return;
  stream?.stop.abort();
  stream = undefined;
  if (!entry?.id) return;
  const current = { name: entry.name, stop: new AbortController() };
  stream = current;
  const job = imgen.value.job(entry.id);
  void patiently(
    async (asking) => {
      for await (const status of job.stream(asking)) take(entry, status);
    },
    { signal: current.stop.signal },
  )
    .catch((error) => {
      if (!current.stop.signal.aborted) refuse(entry, error);
    })
    .finally(() => {
      if (stream === current) stream = undefined;
      const next = unfinished()[0];
      if (!stream && next && next.name !== entry.name && !document.hidden) listen(next);
    });
}

function save(entry: Entry): void {
  put(entry.name, entry);
  const text = JSON.stringify(entry);
  for (let room = entries.value.length; ; room = Math.floor(room / 2)) {
    try {
      localStorage.setItem(prefix + entry.name, text);
      storageIsFull.value = false;
      return;
    } catch {
      if (room < 2) break;
      for (const old of entries.value.slice(Math.floor(room / 2))) drop(old.name);
    }
  }
  storageIsFull.value = true;
}

function drop(name: string): void {
  try {
    localStorage.removeItem(prefix + name);
  } catch {
    // A browser that keeps nothing.
  }
}

function put(name: string, entry: Entry | undefined): void {
  const others = entries.value.filter((each) => each.name !== name);
  entries.value = entry ? [...others, entry].sort((one, other) => other.time - one.time).slice(0, MOST) : others;
}

function load(): Entry[] {
  const found: Entry[] = [];
  try {
    for (const name of Object.keys(localStorage).filter((each) => each.startsWith(prefix))) {
      const entry = parse(localStorage.getItem(name) ?? "");
      if (entry) found.push(entry);
      else localStorage.removeItem(name);
    }
  } catch {
    storageIsFull.value = true;
  }
  return found.sort((one, other) => other.time - one.time).slice(0, MOST);
}

/** Undefined of what is too old, or what no version of this page has written. */
function parse(text: string): Entry | undefined {
  try {
    const entry = JSON.parse(text) as Entry;
    const isWhole = typeof entry.name === "string" && typeof entry.prompt === "string" && typeof entry.fields === "object";
    return isWhole && Date.now() - entry.time < DAY_MS ? entry : undefined;
  } catch {
    return undefined;
  }
}

/** Two keys in one browser have two galleries. 32 bits of a key of 256 tell nothing of it. */
function namespace(secret: string): string {
  let hash = 0x811c9dc5;
  for (const char of secret) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(36);
}

function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
