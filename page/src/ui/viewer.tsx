import { computed, signal, useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Meta } from "imgen-client";
import { say } from "../announce.js";
import { change } from "../draft.js";
import { copy, download, ending } from "../files.js";
import { ask, entries, liveOf, order, remove, type Entry } from "../gallery.js";
import { LANGUAGES, program, type Body, type Language } from "../programs.js";
import { imgen, models, sentence } from "../server.js";
import { Icon } from "./icons.js";
import { Tile } from "./tile.js";

const ZOOMS = [0.5, 1, 2, 4];
const shown = signal("");

/** Those with a picture, in the gallery's order. */
const prints = computed(() => entries.value.filter((entry) => metaOf(entry) !== undefined));

export function open(entry: Entry): void {
  shown.value = entry.name;
  void ask(entry); // for links that have not aged
}

function metaOf(entry: Entry): Meta | undefined {
  const { status } = liveOf(entry.name).value;
  return status && "meta" in status ? status.meta : undefined;
}

export function Viewer(): JSX.Element | null {
  const entry = prints.value.find((each) => each.name === shown.value);
  const meta = entry && metaOf(entry);
  return entry && meta ? <Opened entry={entry} meta={meta} /> : null;
}

function Opened({ entry, meta }: { entry: Entry; meta: Meta }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const from = useRef(document.activeElement);
  useEffect(() => {
    const element = dialog.current;
    const back = from.current;
    element?.showModal();
    return () => {
      element?.close();
      if (back instanceof HTMLElement && back.isConnected) back.focus();
    };
  }, []);
  const at = prints.value.findIndex((each) => each.name === entry.name);

  function go(step: number): void {
    const next = prints.value[at + step];
    if (next) open(next);
  }

  function press(event: KeyboardEvent): void {
    if ((event.target as HTMLElement).closest("input, textarea, .stage, .segments")) return;
    if (event.key === "ArrowLeft") go(-1);
    if (event.key === "ArrowRight") go(1);
  }

  return (
    <dialog
      class="viewer"
      ref={dialog}
      aria-label={`Picture: ${meta.prompt}`}
      onCancel={(event) => {
        event.preventDefault();
        shown.value = "";
      }}
      onKeyDown={press}
    >
      <Stage key={entry.name} meta={meta} />
      <div class="viewer-side">
        <div class="viewer-bar">
          <button type="button" class="ghost" aria-label="Newer picture" disabled={at <= 0} onClick={() => go(-1)}>
            <Icon name="arrowLeft" />
          </button>
          <span class="told">
            {at + 1} of {prints.value.length}
          </span>
          <button
            type="button"
            class="ghost"
            aria-label="Older picture"
            disabled={at >= prints.value.length - 1}
            onClick={() => go(1)}
          >
            <Icon name="arrowRight" />
          </button>
          <span class="grow" />
          <button type="button" class="ghost" aria-label="Close" onClick={() => (shown.value = "")}>
            <Icon name="close" />
          </button>
        </div>
        <div class="viewer-words" tabIndex={0} role="region" aria-label="About this picture">
          <p class="viewer-prompt">{meta.prompt}</p>
          <Actions entry={entry} meta={meta} />
          <Facts meta={meta} />
          <OtherStyles entry={entry} meta={meta} />
          <Programs meta={meta} />
        </div>
      </div>
    </dialog>
  );
}

function Stage({ meta }: { meta: Meta }): JSX.Element {
  const zoom = useSignal(0); // 0: as large as there is room
  const link = meta.images.find((each) => each.type === "signed")?.url ?? "";
  const width = zoom.value ? `${(meta.width * zoom.value) / devicePixelRatio}px` : "";
  const name = zoom.value ? `${Math.round(zoom.value * 100)} %` : "Fit";

  function step(by: number): void {
    const at = zoom.value ? ZOOMS.indexOf(zoom.value) + by : by > 0 ? 1 : 0;
    zoom.value = at < 0 ? 0 : (ZOOMS[Math.min(at, ZOOMS.length - 1)] ?? 0);
  }

  return (
    <div class="stage-box">
      <div
        class={zoom.value ? "stage zoomed" : "stage"}
        tabIndex={0}
        role="region"
        aria-label="The picture; plus and minus zoom, arrows move it"
        onKeyDown={(event) => {
          if (event.key === "+" || event.key === "=") step(1);
          if (event.key === "-") step(-1);
          if (event.key === "0") zoom.value = 0;
        }}
        onWheel={(event) => {
          if (!event.ctrlKey) return;
          event.preventDefault();
          step(event.deltaY < 0 ? 1 : -1);
        }}
        onDblClick={() => (zoom.value = zoom.value ? 0 : 1)}
      >
        <img src={link} alt={meta.prompt} width={meta.width} height={meta.height} style={{ width }} draggable={false} />
      </div>
      <div class="zooms" role="group" aria-label="Zoom">
        <button type="button" class="ghost" aria-label="Smaller" disabled={!zoom.value} onClick={() => step(-1)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="ghost" aria-label={`Zoom: ${name}. Fit into the window`} onClick={() => (zoom.value = 0)}>
          {name}
        </button>
        <button type="button" class="ghost" aria-label="Larger" disabled={zoom.value === ZOOMS.at(-1)} onClick={() => step(1)}>
          <Icon name="plus" />
        </button>
      </div>
    </div>
  );
}

function Actions({ entry, meta }: { entry: Entry; meta: Meta }): JSX.Element {
  const problem = useSignal("");

  async function fetchFile(): Promise<void> {
    problem.value = "";
    try {
      const job = imgen.value.job(meta.id);
      const status = await job.status();
      if ("meta" in status) await download(job.picture(status));
    } catch (error) {
      problem.value = sentence(error);
    }
  }

  return (
    <>
      <div class="actions">
        <button type="button" class="primary" onClick={() => void fetchFile()}>
          <Icon name="download" /> Download
        </button>
        <button
          type="button"
          class="ghost"
          onClick={() => {
            change({ prompt: entry.prompt, model: meta.model, style: meta.style, size: [meta.width, meta.height], seed: meta.seed, locked: true });
            shown.value = "";
            requestAnimationFrame(() => document.getElementById("prompt")?.focus());
          }}
        >
          Draw from here
        </button>
        <button
          type="button"
          class="ghost"
          aria-label="Remove from this page"
          title="Remove from this page"
          onClick={() => {
            shown.value = "";
            void remove(entry);
          }}
        >
          <Icon name="remove" />
        </button>
      </div>
      {problem.value && <p class="problem" role="alert">{problem.value}</p>}
    </>
  );
}

function Facts({ meta }: { meta: Meta }): JSX.Element {
  const offered = models.value?.models[meta.model];
  const rows: [string, string][] = [
    ["Seed", String(meta.seed)],
    ["Size", `${meta.width} × ${meta.height}`],
    ["Model", offered?.label ?? meta.model],
    ["Style", offered?.styles[meta.style]?.label ?? meta.style],
    ["File", meta.format === "webp" ? "WebP" : meta.format.toUpperCase()],
    ["Ordered", new Date(meta.time).toLocaleString()],
    ["Took", seconds(meta.timings)],
    ["Review", `safe, by the ruleset “${meta.compliance_ruleset}”`],
    ["Credentials", [meta.enable_c2pa && "signed (C2PA)", meta.enable_invisimark && "invisible mark"].filter(Boolean).join(", ")],
    ["Fingerprint", `${meta.fingerprint.slice(0, 16)}…`],
  ];
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function seconds(timings: Readonly<Record<string, number>>): string {
  const whole = Object.values(timings).reduce((sum, each) => sum + each, 0);
  return `${(whole / 1_000).toFixed(1)} s`;
}

function OtherStyles({ entry, meta }: { entry: Entry; meta: Meta }): JSX.Element | null {
  const others = useComputed(() => Object.entries(models.value?.models[meta.model]?.styles ?? {}).filter(([name]) => name !== meta.style));
  if (others.value.length === 0) return null;
  return (
    <section>
      <h2>Same seed, another style</h2>
      <ul class="tiles">
        {others.value.map(([name, { label }]) => (
          <li key={name}>
            <button
              type="button"
              class="tiled"
              onClick={() => {
                order([{ prompt: entry.prompt, fields: { ...entry.fields, model: meta.model, style: name, seed: meta.seed, use_cache: false } }]);
                say(`Ordered in ${label}.`);
                shown.value = "";
              }}
            >
              <Tile model={meta.model} kind="styles" name={name} />
              <span class="tile-name">{label}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Programs({ meta }: { meta: Meta }): JSX.Element {
  const language = useSignal<Language>("curl");
  const copied = useSignal(false);
  const { prompt, model: name, style, width, height, format, seed } = meta;
  const body: Body = { prompt, model: name, style, width, height, format, seed };
  const text = program(language.value, body, `picture.${ending(format)}`);
  return (
    <section>
      <h2>From your own program</h2>
      <div class="program-bar">
        <div class="segments" role="radiogroup" aria-label="Language">
          {LANGUAGES.map((each) => (
            <label key={each} class="choice segment">
              <input
                type="radio"
                name="language"
                checked={each === language.value}
                onChange={() => {
                  language.value = each;
                  copied.value = false;
                }}
              />
              <span>{each}</span>
            </label>
          ))}
        </div>
        <button
          type="button"
          class="ghost"
          onClick={() =>
            void copy(text).then((done) => {
              copied.value = done;
              say(done ? `Copied as ${language.value}.` : "This browser does not let pages copy; select the text instead.");
            })
          }
        >
          <Icon name={copied.value ? "check" : "copy"} /> {copied.value ? "Copied" : "Copy"}
        </button>
      </div>
      <pre class="program" tabIndex={0} role="region" aria-label={`As ${language.value}`}>
        <code>{text}</code>
      </pre>
      <p class="hint">
        The key is read from <code>IMGEN_API_KEY</code>.
      </p>
    </section>
  );
}
