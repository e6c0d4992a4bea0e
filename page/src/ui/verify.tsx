import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Verification } from "imgen-client";
import { say } from "../announce.js";
import { facts, imgen, patiently, sentence } from "../server.js";
import { key } from "../session.js";
import { Foot } from "./foot.js";
import { Icon } from "./icons.js";

type Result = Verification["result"];

const HEADLINES: Record<Result, string> = {
  made_here: "Made here",
  mark_found: "It bears a mark from here, which is no proof",
  manifest_found: "It bears credentials from here, which is no proof",
  similar: "It resembles a picture made here, which is no proof",
  not_found: "No sign that it was made here",
};
const EXPLAINED: Record<Result, string> = {
  made_here: "This server made this picture.",
  mark_found: "The invisible mark is that of a picture of ours, but what the file shows does not agree with it.",
  manifest_found: "The content credentials are ours, but the file was changed since, and nothing else shows that it is the same picture.",
  similar: "Its fingerprint is near to that of a picture of ours. Pictures of the same thing can be that, too.",
  not_found: "Neither credentials nor a mark nor a fingerprint of ours was found. It may have been changed beyond recognition.",
};
const PROOFS: Record<string, string> = {
  manifest: "its content credentials, signed by this system",
  file: "the very bytes of the file",
  mark: "its invisible mark",
  fingerprint: "its fingerprint, which is never proof",
};

interface Looked {
  name: string;
  preview: string;
  found?: Verification;
  problem?: string;
}

export function Verify(): JSX.Element {
  const looked = useSignal<Looked | undefined>(undefined);
  const over = useSignal(false);
  const input = useRef<HTMLInputElement>(null);

  async function look(file: File | undefined): Promise<void> {
    if (!file) return;
    if (looked.value) URL.revokeObjectURL(looked.value.preview);
    const about = { name: file.name, preview: URL.createObjectURL(file) };
    const most = facts.value?.max_file_bytes ?? Infinity;
    if (file.size > most) {
      looked.value = { ...about, problem: `The file is too large: ${Math.floor(most / 2 ** 20)} MiB are taken.` };
      return;
    }
    looked.value = about;
    say("Looking at the file.");
    try {
      const found = await patiently((asking) => imgen.value.verify(file, asking));
      if (looked.value?.preview !== about.preview) return;
      looked.value = { ...about, found };
      say(HEADLINES[found.result]);
    } catch (error) {
      if (looked.value?.preview === about.preview) looked.value = { ...about, problem: sentence(error) };
    }
  }

  useEffect(() => {
    const paste = (event: ClipboardEvent) => void look(event.clipboardData?.files[0]);
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, []);

  return (
    <main class="verify" id="main" tabIndex={-1}>
      <div class="verify-words">
        <h1>Was it made here?</h1>
        <p>Every picture of this server carries signed credentials, an invisible mark and a fingerprint. A crop or a screenshot is often enough to tell.</p>
      </div>
      <div
        class={over.value ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          over.value = true;
        }}
        onDragLeave={() => (over.value = false)}
        onDrop={(event) => {
          event.preventDefault();
          over.value = false;
          void look(event.dataTransfer?.files[0]);
        }}
      >
        <Icon name="upload" />
        <p>Drop a picture here, paste one, or</p>
        <button type="button" class="primary" onClick={() => input.current?.click()}>
          Choose a file
        </button>
        <input
          ref={input}
          class="unseen"
          type="file"
          tabIndex={-1}
          aria-label="Picture to verify"
          accept="image/jpeg,image/png,image/webp,image/avif,image/gif"
          onChange={(event) => {
            void look(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
        <p class="hint">JPEG, PNG, WebP, AVIF or GIF. It is looked at and not kept.</p>
      </div>
      {looked.value && <Found looked={looked.value} />}
      <Foot />
    </main>
  );
}

function Found({ looked }: { looked: Looked }): JSX.Element {
  const { found, problem } = looked;
  return (
    <section class={`verdict ${found?.result ?? ""}`} aria-label="What was found">
      <img src={looked.preview} alt={`The file ${looked.name}`} />
      <div>
        {problem && <p class="problem" role="alert">{problem}</p>}
        {!problem && !found && <p class="told">Looking at {looked.name} …</p>}
        {found && (
          <>
            <h2>
              {found.result === "made_here" && <Icon name="check" />}
              {HEADLINES[found.result]}
            </h2>
            <p>{EXPLAINED[found.result]}</p>
            <dl class="facts">
              {evidence(found).map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
            {!key.value && <p class="hint">With a key more is told: how clearly the mark was read, and how near the fingerprint is.</p>}
          </>
        )}
      </div>
    </section>
  );
}

function evidence({ proof, time, system, manifest, evidence: told, picture }: Verification): [string, string][] {
  const rows: [string, string | undefined | null | false][] = [
    ["Shown by", proof && PROOFS[proof]],
    ["Ordered", time && new Date(time).toLocaleString()],
    ["System", system],
    ["Credentials", manifest ? `${manifest.state}, of ${manifest.made_by}${manifest.detail ? `. ${manifest.detail}` : ""}` : "the file has none"],
    ["Mark", told && (told.mark ? mark(told.mark) : "none of ours was read")],
    ["Fingerprint", told && told.fingerprint.distance !== null && `${told.fingerprint.distance} of 256 bits differ from the nearest`],
    ["Job", picture?.id],
    ["Model", picture?.model],
    ["Character", picture?.character && `@${picture.character}`],
  ];
  return rows.filter((row): row is [string, string] => Boolean(row[1]));
}

function mark(found: NonNullable<NonNullable<Verification["evidence"]>["mark"]>): string {
  const bits = found.wrong_bits === null ? "read" : `${found.wrong_bits} of 64 bits wrong`;
  const agreement = found.agreement === null ? "" : `, content agrees to ${found.agreement}`;
  return `${bits}, score ${found.score}${found.mirrored ? ", mirrored" : ""}${agreement}`;
}
