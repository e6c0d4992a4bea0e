import { useComputed, useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { JSX } from "preact";
import { change, characters, draft, model, reading } from "../draft.js";
import { mentionAt, without } from "../prompt.js";
import { facts } from "../server.js";
import { Icon } from "./icons.js";
import { Tile } from "./tile.js";

const MOST_OFFERED = 8;
const NEAR_THE_END = 0.8;

interface PromptBoxProps {
  /** What is wrong, once it is to be said. */
  problem: string;
  onOrder: () => void;
}

export function PromptBox({ problem, onOrder }: PromptBoxProps): JSX.Element {
  const box = useRef<HTMLTextAreaElement>(null);
  const caret = useSignal(-1);
  const chosen = useSignal(0);
  const mention = useComputed(() => (caret.value < 0 ? undefined : mentionAt(draft.value.prompt, caret.value)));
  const offered = useComputed(() => {
    const begun = mention.value?.begun;
    if (begun === undefined) return [];
    const found = characters.value.filter((name) => name.startsWith(begun));
    return found.length === 1 && found[0] === begun ? [] : found.slice(0, MOST_OFFERED);
  });
  const isOpen = offered.value.length > 0;

  function write(text: string, at: number): void {
    change({ prompt: text });
    const field = box.current;
    if (!field) return;
    field.value = text;
    field.focus();
    field.setSelectionRange(at, at);
    caret.value = -1;
  }

  function choose(name: string): void {
    const place = mention.value;
    if (!place) return;
    const { prompt } = draft.value;
    const after = prompt.slice(caret.value).replace(/^[\p{L}\p{N}_-]*/u, "");
    const head = `${prompt.slice(0, place.start)}@${name}${/^[\s,]/.test(after) ? "" : " "}`;
    write(head + after, head.length);
  }

  function press(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onOrder();
      return;
    }
    if (!isOpen) return;
    const last = offered.value.length - 1;
    if (event.key === "ArrowDown") chosen.value = chosen.value === last ? 0 : chosen.value + 1;
    else if (event.key === "ArrowUp") chosen.value = chosen.value === 0 ? last : chosen.value - 1;
    else if (event.key === "Enter" || event.key === "Tab") choose(offered.value[chosen.value] ?? "");
    else if (event.key === "Escape") caret.value = -1;
    else return;
    event.preventDefault();
  }

  function look(event: Event): void {
    const field = event.currentTarget as HTMLTextAreaElement;
    caret.value = field.selectionStart === field.selectionEnd ? field.selectionStart : -1;
    chosen.value = 0;
  }

  const told = isOpen ? "" : problem; // a name that is being written is not wrong yet
  const most = facts.value?.max_prompt_characters ?? 4_000;
  const { length } = reading.value;
  return (
    <div class="prompt">
      <label for="prompt">Prompt</label>
      <div class="prompt-field">
        <textarea
          id="prompt"
          ref={box}
          rows={4}
          placeholder="a lighthouse on a cliff at sunset, -people"
          value={draft.value.prompt}
          spellcheck
          aria-autocomplete="list"
          aria-controls="characters"
          aria-activedescendant={isOpen ? `character-${chosen.value}` : undefined}
          aria-invalid={told ? "true" : undefined}
          aria-describedby="prompt-help prompt-problem"
          onInput={(event) => {
            change({ prompt: event.currentTarget.value });
            look(event);
          }}
          onKeyDown={press}
          onKeyUp={(event) => event.key.startsWith("Arrow") && !isOpen && look(event)}
          onClick={look}
          onBlur={() => (caret.value = -1)}
        />
        <ul class="offered" id="characters" role="listbox" aria-label="Characters" hidden={!isOpen}>
          {offered.value.map((name, number) => (
            <li
              key={name}
              id={`character-${number}`}
              role="option"
              aria-selected={number === chosen.value}
              onMouseDown={(event) => {
                event.preventDefault();
                choose(name);
              }}
            >
              <Tile model={model.value} kind="characters" name={name} />@{name}
            </li>
          ))}
        </ul>
      </div>
      <Chips />
      <p class="hint" id="prompt-help">
        Terms between commas. <code>@name</code> draws a character, <code>-term</code> keeps something out.
        {length > most * NEAR_THE_END && (
          <span class={length > most ? "count over" : "count"}>
            {length.toLocaleString("en")} of {most.toLocaleString("en")}
          </span>
        )}
      </p>
      <p class="problem" id="prompt-problem" role="alert">
        {told}
      </p>
    </div>
  );
}

function Chips(): JSX.Element | null {
  const { characters: named, negatives } = reading.value;
  const known = [...new Set(named)].filter((name) => characters.value.includes(name));
  if (known.length + negatives.length === 0) return null;
  return (
    <ul class="chips" aria-label="How the prompt is read">
      {known.map((name) => (
        <li key={`@${name}`} class="chip who">
          <Tile model={model.value} kind="characters" name={name} />@{name}
        </li>
      ))}
      {negatives.map((term) => (
        <li key={`${term.start}-${term.text}`} class="chip">
          <Icon name="without" />
          <span class="unseen">without </span>
          {term.text}
          <button
            type="button"
            aria-label={`Take “${term.text}” out of the prompt`}
            onClick={() => change({ prompt: without(draft.value.prompt, term) })}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}
