import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isPending, type Meta, type Status } from "imgen-client";
import { change } from "../draft.js";
import { ask, entries, liveOf, remove, type Entry } from "../gallery.js";
import { models } from "../server.js";
import { Foot } from "./foot.js";
import { Icon } from "./icons.js";
import { open } from "./viewer.js";

const DRAWN = 0.9; // the API's progress from which the steps are done: decoding, finishing and review remain
const STALE_LINKS = 2; // times that a picture is asked for anew because its link led nowhere
const THUMBNAIL = 384; // pixels, the longer side
const ROW_REM = 17; // height of a usual row: what the browser chooses between thumbnail and picture by

const underway = computed(() => {
  const states = entries.value.map((entry) => (entry.finished ? undefined : liveOf(entry.name).value));
  return states.filter((live) => live && !live.gone && (!live.status || isPending(live.status))).length;
});

export function Gallery(): JSX.Element {
  const count = entries.value.length;
  const working = underway.value;
  useEffect(() => {
    document.title = working ? `(${working}) imgen` : "imgen";
  }, [working]);
  return (
    <main class="gallery" id="main" tabIndex={-1} aria-labelledby="gallery-title">
      <h1 id="gallery-title">
        {count ? "The last day" : "Nothing drawn yet"}
        {count > 0 && <span class="told">{working ? `${working} under way` : `${count} ${count === 1 ? "picture" : "pictures"}`}</span>}
      </h1>
      {count ? (
        <ul class="wall">
          {entries.value.map((entry) => (
            <Frame key={entry.name} entry={entry} />
          ))}
        </ul>
      ) : (
        <Empty />
      )}
      <Foot />
    </main>
  );
}

function Empty(): JSX.Element {
  const [first] = models.value?.characters ?? [];
  const ideas = ["a lighthouse on a cliff at sunset", ...(first ? [`@${first} waving, in a meadow`] : []), "two white rabbits in the forest, -people"];
  return (
    <div class="empty">
      <div class="empty-frames" aria-hidden="true">
        <span />
        <span />
        <span />
      </div>
      <p>Pictures that you draw hang here for a day. Begin with a line of your own, or with one of these:</p>
      <ul class="ideas">
        {ideas.map((idea) => (
          <li key={idea}>
            <button
              type="button"
              class="ghost"
              onClick={() => {
                change({ prompt: idea });
                document.getElementById("prompt")?.focus();
              }}
            >
              {idea}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Frame({ entry }: { entry: Entry }): JSX.Element {
  const frame = useRef<HTMLLIElement>(null);
  const live = liveOf(entry.name);
  const { status, words, gone } = live.value;
  const isKnown = status !== undefined;
  useEffect(() => {
    const element = frame.current;
    if (!element || !entry.finished || isKnown) return undefined;
    // Of a day's pictures only those are asked for that are looked at.
    const observer = new IntersectionObserver(
      (seen) => {
        if (!seen.some((each) => each.isIntersecting)) return;
        observer.disconnect();
        void ask(entry);
      },
      { rootMargin: "400px" },
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [entry.name, entry.finished, isKnown]);
  const aspect = Number(entry.fields.width) / Number(entry.fields.height) || 1;
  return (
    <li class="frame" ref={frame} style={{ "--aspect": String(aspect) }}>
      {status && "meta" in status ? (
        <Print entry={entry} meta={status.meta} cached={status.cache === true} />
      ) : (
        <Unprinted entry={entry} status={status} words={words ?? ""} gone={gone === true} />
      )}
    </li>
  );
}

function Print({ entry, meta, cached }: { entry: Entry; meta: Meta; cached: boolean }): JSX.Element {
  const missed = useRef(0);
  const image = useRef<HTMLImageElement>(null);
  const [small, whole] = (["thumbnail", "signed"] as const).map((type) => meta.images.find((each) => each.type === type)?.url ?? "");
  const width = Math.round((THUMBNAIL * meta.width) / Math.max(meta.width, meta.height));
  return (
    <>
      <button type="button" class="print" onClick={() => open(entry)} aria-label={`Open: ${meta.prompt}, seed ${meta.seed}`}>
        <img
          ref={image}
          src={small}
          srcset={`${small} ${width}w, ${whole} ${meta.width}w`}
          sizes={`${Math.round((meta.width / meta.height) * ROW_REM)}rem`}
          alt=""
          loading="lazy"
          decoding="async"
          onLoad={() => image.current?.classList.add("shown")}
          onError={() => {
            if (missed.current++ < STALE_LINKS) void ask(entry);
          }}
        />
      </button>
      <Caption text={meta.prompt} more={`${labelOf(meta)} · ${cached ? "made before" : meta.seed}`} />
    </>
  );
}

function Unprinted({ entry, status, words, gone }: { entry: Entry; status: Status | undefined; words: string; gone: boolean }): JSX.Element {
  const { line, kind, share } = describe(entry, status, words, gone);
  const isOver = kind !== "waiting";
  return (
    <>
      <div class={`blank ${kind}`} style={{ "--share": String(share) }}>
        {kind === "waiting" && (
          <div
            class="developing"
            role="progressbar"
            aria-label={`Progress of ${entry.prompt}`}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={Math.round(share * 100)}
            aria-valuetext={line}
          />
        )}
        {kind === "blocked" && <Icon name="blocked" />}
        <p>{line}</p>
        {kind === "blocked" && status && "filter_categories" in status && (
          <p class="categories">{status.filter_categories.join(", ").replaceAll("_", " ")}</p>
        )}
        <button
          type="button"
          class="ghost dismiss"
          aria-label={`${isOver ? "Remove" : "Cancel"}: ${entry.read ?? entry.prompt}`}
          title={isOver ? "Remove" : "Cancel"}
          onClick={() => void remove(entry)}
        >
          <Icon name="close" />
        </button>
      </div>
      <Caption text={entry.read ?? entry.prompt} more={(entry.notes ?? []).join(" ")} />
    </>
  );
}

function Caption({ text, more }: { text: string; more: string }): JSX.Element {
  return (
    <p class="caption" title={text}>
      <span>{text}</span>
      {more && <small>{more}</small>}
    </p>
  );
}

function labelOf(meta: Meta): string {
  return models.value?.models[meta.model]?.styles[meta.style]?.label ?? meta.style;
}

interface Description {
  line: string;
  kind: "waiting" | "blocked" | "failed";
  share: number;
}

function describe(entry: Entry, status: Status | undefined, words: string, gone: boolean): Description {
  if (gone) return { line: words, kind: "failed", share: 0 };
  if (!status) return { line: words || (entry.finished ? "" : entry.id ? "Looking…" : "Ordering…"), kind: "waiting", share: 0 };
  switch (status.status) {
    case "IN_QUEUE":
      return { line: inLine(status.queue_position), kind: "waiting", share: 0 };
    case "IN_PROGRESS": {
      const { progress } = status;
      const line = progress >= 1 ? "Being reviewed" : progress >= DRAWN ? "Finishing" : progress > 0 ? `Drawing, ${Math.round((progress / DRAWN) * 100)} %` : "Starting";
      return { line, kind: "waiting", share: progress };
    }
    case "COMPLETED":
      return { line: "error" in status ? status.error : "", kind: "blocked", share: 0 };
    case "CANCELLED":
      return { line: "Cancelled.", kind: "failed", share: 0 };
    case "TIMED_OUT":
      return { line: "The server did not get to it in time.", kind: "failed", share: 0 };
    case "FAILED":
      return { line: failed(status.error), kind: "failed", share: 0 };
  }
}

function failed(words: string): string {
  return words === "Generation failed" ? "The picture could not be made." : /[.!?]$/.test(words) ? words : `${words}.`;
}

function inLine(position: number | null): string {
  if (position === null) return "Starting";
  return position === 1 ? "Next in line" : `Number ${position} in line`;
}
