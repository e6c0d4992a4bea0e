import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { say } from "../announce.js";
import { change, draft, model, MOST_AT_ONCE, offer, orders, randomSeed, reading, style } from "../draft.js";
import { order, orderProblem } from "../gallery.js";
import { facts, imgen, models, patiently, sentence } from "../server.js";
import { Icon } from "./icons.js";
import { PromptBox } from "./prompt_box.js";
import { Tile } from "./tile.js";

const ONE_COLUMN = "(width < 66rem)"; // as in style.css
const MAX_SEED = Number.MAX_SAFE_INTEGER - MOST_AT_ONCE;

export function Composer(): JSX.Element {
  const tried = useSignal(false); // nobody is told that an empty box is empty before they asked for a picture
  const { prompt, count } = draft.value;
  const said = prompt.trim() !== "" || tried.value ? reading.value.problem : "";

  function draw(): void {
    if (reading.value.problem) {
      tried.value = true;
      document.getElementById("prompt")?.focus();
      return;
    }
    tried.value = false;
    order(orders());
    if (matchMedia(ONE_COLUMN).matches) document.getElementById("main")?.scrollIntoView({ behavior: "smooth" });
    say(count === 1 ? "Ordered." : `${count} pictures ordered.`);
  }

  return (
    <form
      class="composer"
      aria-label="What to draw"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        draw();
      }}
    >
      <div class="composer-words">
        <PromptBox problem={said || orderProblem.value} onOrder={draw} />
        <Helpers />
      </div>
      <div class="composer-looks">
        <Models />
        <Styles />
      </div>
      <div class="composer-frame">
        <Sizes />
        <Formats />
        <Seed />
        <Cache />
      </div>
      <div class="composer-draw">
        <Count />
        <button type="submit" class="primary" title="Ctrl+Enter in the prompt">
          Draw {count > 1 ? `${count} pictures` : "a picture"}
        </button>
      </div>
    </form>
  );
}

function Helpers(): JSX.Element {
  const busy = useSignal("");
  const before = useSignal<string | undefined>(undefined);

  async function replace(name: string, ask: () => Promise<string>): Promise<void> {
    busy.value = name;
    orderProblem.value = "";
    const old = draft.value.prompt;
    try {
      change({ prompt: await ask() });
      before.value = old;
      say("The prompt is a new one.");
    } catch (error) {
      orderProblem.value = sentence(error);
    }
    busy.value = "";
  }

  const isEmpty = !draft.value.prompt.trim();
  return (
    <div class="helpers">
      <button
        type="button"
        class="ghost"
        disabled={busy.value !== ""}
        onClick={() => void replace("random", () => patiently((asking) => imgen.value.random(undefined, asking)))}
      >
        <Icon name="dice" /> {busy.value === "random" ? "Thinking…" : "Surprise me"}
      </button>
      <button
        type="button"
        class="ghost"
        disabled={busy.value !== "" || isEmpty || reading.value.problem !== ""}
        onClick={() =>
          void replace("improve", () => patiently((asking) => imgen.value.optimize(draft.value.prompt, model.value, asking)))
        }
      >
        <Icon name="improve" /> {busy.value === "improve" ? "Writing…" : "Improve"}
      </button>
      {before.value !== undefined && busy.value === "" && (
        <button
          type="button"
          class="ghost"
          onClick={() => {
            change({ prompt: before.value ?? "" });
            before.value = undefined;
          }}
        >
          <Icon name="undo" /> Undo
        </button>
      )}
    </div>
  );
}

function Group({ name, children, className = "" }: { name: string; children: ComponentChildren; className?: string }): JSX.Element {
  return (
    <fieldset class={className}>
      <legend>{name}</legend>
      {children}
    </fieldset>
  );
}

function Models(): JSX.Element | null {
  const offered = Object.entries(models.value?.models ?? {});
  if (models.value && offered.length === 0) {
    return <p class="problem">The server has no model to draw with at present; its /readyz says why.</p>;
  }
  if (offered.length < 2) return null;
  return (
    <label class="field">
      <span>Model</span>
      <select value={model.value} onChange={(event) => change({ model: event.currentTarget.value })}>
        {offered.map(([name, { label }]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

function Styles(): JSX.Element {
  const offered = Object.entries(offer.value?.styles ?? {});
  return (
    <Group name="Style" className="styles">
      <div class="tiles">
        {offered.map(([name, { label }]) => (
          <label key={name} class="choice tiled">
            <input
              type="radio"
              name="style"
              value={name}
              checked={name === style.value}
              onChange={() => change({ style: name })}
            />
            <Tile model={model.value} kind="styles" name={name} />
            <span class="tile-name">{label}</span>
          </label>
        ))}
      </div>
    </Group>
  );
}

function Sizes(): JSX.Element {
  const [width, height] = draft.value.size;
  return (
    <Group name="Size" className="sizes">
      <div class="shapes">
        {(facts.value?.sizes ?? [draft.value.size]).map(([across, down]) => (
          <label key={`${across}x${down}`} class="choice shaped" title={`${across} × ${down} pixels`}>
            <input
              type="radio"
              name="size"
              checked={across === width && down === height}
              onChange={() => change({ size: [across, down] })}
              aria-label={`${across} by ${down}`}
            />
            <span class="shape" style={{ aspectRatio: `${across} / ${down}`, [across >= down ? "width" : "height"]: "1.25rem" }} />
          </label>
        ))}
        <span class="told">
          {width} × {height}
        </span>
      </div>
    </Group>
  );
}

function Formats(): JSX.Element {
  return (
    <Group name="File" className="formats">
      <div class="segments">
        {(facts.value?.formats ?? [draft.value.format]).map((name) => (
          <label key={name} class="choice segment">
            <input
              type="radio"
              name="format"
              checked={name === draft.value.format}
              onChange={() => change({ format: name })}
            />
            <span>{name === "webp" ? "WebP" : name.toUpperCase()}</span>
          </label>
        ))}
      </div>
    </Group>
  );
}

function Seed(): JSX.Element {
  const { seed, locked } = draft.value;
  return (
    <Group name="Seed" className="seed">
      <div class="seed-row">
        <input
          type="text"
          inputMode="numeric"
          pattern="[0-9]*"
          maxLength={16}
          aria-label="Seed"
          value={locked ? String(seed) : ""}
          placeholder="new for every picture"
          onChange={(event) => {
            const text = event.currentTarget.value.replace(/\D/g, "");
            const next = Math.min(Number(text), MAX_SEED);
            event.currentTarget.value = text && String(next);
            change(text ? { seed: next, locked: true } : { locked: false });
          }}
        />
        <button
          type="button"
          class="ghost"
          aria-pressed={locked}
          aria-label="Keep this seed"
          title={locked ? "This seed is kept" : "Keep a seed"}
          onClick={() => change({ locked: !locked })}
        >
          <Icon name={locked ? "lock" : "unlock"} />
        </button>
        <button
          type="button"
          class="ghost"
          aria-label="Roll a seed and keep it"
          title="Roll a seed and keep it"
          onClick={() => change({ seed: randomSeed(), locked: true })}
        >
          <Icon name="dice" />
        </button>
      </div>
    </Group>
  );
}

function Cache(): JSX.Element {
  return (
    <label class="switch">
      <input
        type="checkbox"
        role="switch"
        checked={draft.value.cache}
        onChange={(event) => change({ cache: event.currentTarget.checked })}
      />
      <span class="track" aria-hidden="true" />
      <span>
        Take one that was made before <small>if its prompt means the same</small>
      </span>
    </label>
  );
}

function Count(): JSX.Element {
  const { count } = draft.value;
  return (
    <div class="stepper" role="group" aria-label="How many pictures">
      <button type="button" class="ghost" aria-label="One less" disabled={count <= 1} onClick={() => change({ count: count - 1 })}>
        <Icon name="minus" />
      </button>
      <output aria-live="polite" aria-label={`${count} ${count === 1 ? "picture" : "pictures"}`}>
        {count}
      </output>
      <button
        type="button"
        class="ghost"
        aria-label="One more"
        disabled={count >= MOST_AT_ONCE}
        onClick={() => change({ count: count + 1 })}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}
