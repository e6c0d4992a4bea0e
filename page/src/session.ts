// The key that this tab draws with. It lives in sessionStorage and is told to this browser's other tabs on request.

import { signal } from "@preact/signals";

const NAME = "imgen.key";
const HANDED = 'meta[name="imgen-key"]';

type Told = { ask: true } | { key: string } | { out: true };

export const key = signal<string | undefined>(undefined);
/** Why a key is asked for, where there was one. */
export const signedOutBecause = signal("");

const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("imgen") : undefined;

/** False: the page is about to be opened anew, with the key in its place. */
export function startSession(): boolean {
  const handed = document.querySelector<HTMLMetaElement>(HANDED);
  if (handed) {
    handed.remove();
    if (keep(handed.content)) {
      location.replace("./"); // a page that came by GET, so that nothing is sent again by a reload
      return false;
    }
    key.value = handed.content;
  } else {
    key.value = kept();
  }
  channel?.addEventListener("message", (event: MessageEvent<Told>) => hear(event.data));
  if (!key.value) tell({ ask: true });
  return true;
}

export function signIn(given: string): void {
  keep(given);
  signedOutBecause.value = "";
  key.value = given;
  tell({ key: given });
}

/** In all tabs of this browser. */
export function signOut(): void {
  forget("");
  tell({ out: true });
}

/** Here alone: the server does not take the key. */
export function forget(because: string): void {
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // There was none.
  }
  signedOutBecause.value = because;
  key.value = undefined;
}

function hear(told: Told): void {
  if ("ask" in told) {
    if (key.value) tell({ key: key.value });
  } else if ("out" in told) {
    if (key.value) forget("");
  } else if (!key.value && !signedOutBecause.value) {
    keep(told.key);
    key.value = told.key;
  }
}

function tell(words: Told): void {
  channel?.postMessage(words);
}

/** Whether it was: a browser may refuse. */
function keep(given: string): boolean {
  try {
    sessionStorage.setItem(NAME, given);
    return true;
  } catch {
    return false;
  }
}

function kept(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}
