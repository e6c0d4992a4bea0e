// What is about to be ordered. It outlives a reload, in its own tab.

import { computed, effect, signal } from "@preact/signals";
import type { GenerateOptions } from "imgen-client";
import type { Order } from "./gallery.js";
import { readPrompt } from "./prompt.js";
import { facts, models } from "./server.js";

const NAME = "imgen.draft";
const SEEDS = 2 ** 32;
export const MOST_AT_ONCE = 8;

interface Draft {
  prompt: string;
  model: string;
  style: string;
  size: [number, number];
  format: string;
  seed: number;
  /** Whether the seed is that one, or a new one for every picture. */
  locked: boolean;
  count: number;
  cache: boolean;
}

export const draft = signal<Draft>(restored());

export function change(part: Partial<Draft>): void {
  draft.value = { ...draft.value, ...part };
}

export const model = computed(() => {
  const offered = models.value?.models ?? {};
  return draft.value.model in offered ? draft.value.model : (Object.keys(offered)[0] ?? "");
});
export const offer = computed(() => models.value?.models[model.value]);
export const style = computed(() => {
  const { styles = {}, default_style = "" } = offer.value ?? {};
  return draft.value.style in styles ? draft.value.style : default_style;
});
export const characters = computed(() => models.value?.characters ?? []);
export const reading = computed(() => readPrompt(draft.value.prompt, characters.value, facts.value?.max_prompt_characters ?? 4_000));

export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

export function orders(): Order[] {
  const { prompt, size, format, seed, locked, count, cache } = draft.value;
  const [width, height] = size;
  const fields: GenerateOptions = { model: model.value, style: style.value, width, height, format };
  if (cache) fields.use_cache = true;
  return Array.from({ length: count }, (_, number) => ({
    prompt,
    fields: locked ? { ...fields, seed: seed + number } : fields,
  }));
}

function restored(): Draft {
  const fresh: Draft = {
    prompt: "",
    model: "",
    style: "",
    size: [1344, 768],
    format: "jpeg",
    seed: Math.floor(Math.random() * SEEDS),
    locked: false,
    count: 1,
    cache: false,
  };
  try {
    const kept = JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<Draft>;
    const same = Object.entries(kept).filter(([name, value]) => typeof value === typeof fresh[name as keyof Draft]);
    return { ...fresh, ...Object.fromEntries(same) };
  } catch {
    return fresh;
  }
}

export function startDraft(): void {
  effect(() => {
    const text = JSON.stringify(draft.value);
    try {
      sessionStorage.setItem(NAME, text);
    } catch {
      // A browser that keeps nothing.
    }
  });
}
