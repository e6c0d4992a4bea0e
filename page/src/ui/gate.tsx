import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { check, sentence } from "../server.js";
import { signedOutBecause, signIn } from "../session.js";
import { Foot } from "./foot.js";

export function Gate(): JSX.Element {
  const given = useSignal("");
  const problem = useSignal("");
  const busy = useSignal(false);

  async function enter(event: Event): Promise<void> {
    event.preventDefault();
    const candidate = given.value.trim();
    if (!candidate) {
      problem.value = "Enter a key.";
      return;
    }
    busy.value = true;
    problem.value = "";
    try {
      await check(candidate);
      signIn(candidate);
    } catch (error) {
      problem.value = sentence(error);
    }
    busy.value = false;
  }

  const words = problem.value || signedOutBecause.value;
  return (
    <main class="gate" id="main">
      <form class="sheet" onSubmit={(event) => void enter(event)} noValidate>
        <h1>Your key, please</h1>
        <p>
          <code>imgen up</code> prints it, <code>imgen keys create NAME</code> makes another, and <code>imgen open</code> signs
          you in without typing.
        </p>
        <label class="field">
          <span>API key</span>
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            autofocus
            placeholder="imgen_…"
            value={given.value}
            aria-invalid={words ? "true" : undefined}
            aria-describedby={words ? "gate-problem" : undefined}
            onInput={(event) => (given.value = event.currentTarget.value)}
          />
        </label>
        <p class="problem" id="gate-problem" role="alert">
          {words}
        </p>
        <button type="submit" class="primary" disabled={busy.value}>
          {busy.value ? "Asking…" : "Sign in"}
        </button>
        <p class="aside">
          The key stays in this tab until you close it. To see whether a picture was made here, <a href="#verify">none is needed</a>.
        </p>
      </form>
      <Foot />
    </main>
  );
}
