// What a screen reader is told while the eye sees it anyway.

import { signal } from "@preact/signals";

export const announcement = signal("");

export function say(words: string): void {
  announcement.value = announcement.value === words ? `${words}\u00a0` : words; // else the same words are silent
}
