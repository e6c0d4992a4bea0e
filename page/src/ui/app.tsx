import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { announcement } from "../announce.js";
import { storageIsFull } from "../gallery.js";
import { away } from "../server.js";
import { key, signOut } from "../session.js";
import { setTheme, theme, THEMES } from "../theme.js";
import { Composer } from "./composer.js";
import { Gallery } from "./gallery.js";
import { Gate } from "./gate.js";
import { Icon, Mark } from "./icons.js";
import { Verify } from "./verify.js";
import { Viewer } from "./viewer.js";

const VERIFY = "#verify";
const place = signal(location.hash);

addEventListener("hashchange", () => (place.value = location.hash));

export function App(): JSX.Element {
  const isVerifying = place.value === VERIFY;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the {isVerifying ? "check" : "pictures"}
      </a>
      <header class="bar">
        <span class="wordmark">
          <Mark /> imgen
        </span>
        <nav aria-label="Page">
          <a href="#" aria-current={isVerifying ? undefined : "page"}>
            Draw
          </a>
          <a href={VERIFY} aria-current={isVerifying ? "page" : undefined}>
            Verify
          </a>
        </nav>
        <span class="grow" />
        <a class="quiet wide-only" href="docs">
          API
        </a>
        <ThemeButton />
        {key.value && (
          <button type="button" class="ghost" aria-label="Sign out" onClick={signOut}>
            <Icon name="leave" /> <span class="wide-only">Sign out</span>
          </button>
        )}
      </header>
      <Notices />
      {isVerifying ? <Verify /> : key.value ? <Studio /> : <Gate />}
      <Viewer />
      <p class="unseen" role="status" aria-live="polite">
        {announcement}
      </p>
    </>
  );
}

function Studio(): JSX.Element {
  return (
    <div class="studio">
      <Composer />
      <Gallery />
    </div>
  );
}

function Notices(): JSX.Element {
  return (
    <div class="notices" role="status">
      {away.value && (
        <p class="notice">
          <Icon name="retry" /> The server does not answer. This page tries again by itself; orders are kept.
        </p>
      )}
      {storageIsFull.value && (
        <p class="notice">This browser’s storage is full: new pictures are shown, but will not be here after a reload.</p>
      )}
    </div>
  );
}

function ThemeButton(): JSX.Element {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  const words = { auto: "as the system", light: "light", dark: "dark" };
  const label = `Theme: ${words[theme.value]}. Change to ${words[next]}`;
  return (
    <button type="button" class="ghost" aria-label={label} title={label} onClick={() => setTheme(next)}>
      <Icon name={theme.value} />
    </button>
  );
}
