// The prompt's syntax, as far as a page must know it before it sends one. The server reads much more
// (docs/prompts.md); what is said to be wrong here, it refuses.

const COMMAS = ",，、،፣՝､︐︑﹐﹑";
const BREAKS = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029";
const DASHES = "\\-‐‑‒–—―−﹘﹣－";
const END = new RegExp(`[${COMMAS}${BREAKS}]`, "gu");
const NEGATIVE = new RegExp(`^\\s*[${DASHES}]+\\s*(?=\\S)`, "u");
const FACE = /^\s*[-－][_.＿]{1,3}[-－][^\p{L}\p{N}_\s]{0,3}\s*$/u;
const WORD = "[\\p{L}\\p{N}_]";
const MENTION = new RegExp(`[@＠﹫]+(${WORD}(?:${WORD}|-)*)`, "gu");
const IN_ADDRESS = new RegExp(`[0-9_%+\\p{Script=Latin}${DASHES}]$`, "u");
const ELSEWHERE = /negative prompt\s*:|\s--?no\s|[<>\\|]/iu; // other programs' ways, which the server translates

export interface Term {
  start: number;
  end: number;
  text: string;
}

export interface Reading {
  characters: string[];
  negatives: Term[];
  /** Why it would be refused; "" where nothing is known to be wrong. */
  problem: string;
  length: number;
}

export function readPrompt(text: string, known: readonly string[], most: number): Reading {
  const terms = termsOf(text);
  const negatives = terms.filter((term) => NEGATIVE.test(term.text) && !FACE.test(term.text));
  const characters = ELSEWHERE.test(text) ? [] : terms.flatMap((term) => mentions(term.text, known));
  const length = [...text.trim()].length;
  return {
    characters,
    negatives: negatives.map((term) => ({ ...term, text: term.text.replace(NEGATIVE, "").trim() })),
    problem: problemOf(text, length, characters, known, most),
    length,
  };
}

function problemOf(text: string, length: number, characters: string[], known: readonly string[], most: number): string {
  if (!/[^\s]/u.test(text.replace(END, ""))) return "Say what the picture shall show.";
  if (length > most) return `This is ${(length - most).toLocaleString("en")} characters too long: ${most.toLocaleString("en")} are taken.`;
  const stranger = characters.find((name) => !known.includes(name));
  if (stranger) return `There is no @${stranger}. There ${known.length === 1 ? "is" : "are"} ${listed(known)}.`;
  if (new Set(characters).size > 1) return `A prompt can have one character, and this one has ${listed([...new Set(characters)])}.`;
  return "";
}

function listed(names: readonly string[]): string {
  const told = names.slice(0, 8).map((name) => `@${name}`);
  if (names.length > told.length) return `${told.join(", ")} and ${names.length - told.length} more`;
  return told.length > 1 ? `${told.slice(0, -1).join(", ")} and ${told.at(-1)}` : (told[0] ?? "none");
}

function termsOf(text: string): Term[] {
  const found: Term[] = [];
  let start = 0;
  for (const match of text.matchAll(END)) {
    found.push({ start, end: match.index, text: text.slice(start, match.index) });
    start = match.index + match[0].length;
  }
  found.push({ start, end: text.length, text: text.slice(start) });
  return found;
}

/** As frontend/prompts/mentions.py finds them. */
function mentions(term: string, known: readonly string[]): string[] {
  const found: string[] = [];
  let end = -1;
  for (const match of term.matchAll(MENTION)) {
    const before = term.slice(0, match.index);
    const glued = match.index === end;
    if (!glued && (IN_ADDRESS.test(before) || (NEGATIVE.test(`${before}x`) && !/[\p{L}\p{N}_]/u.test(before)))) continue;
    const name = nameIn(match[1] ?? "", known);
    end = match.index + match[0].length - (match[1] ?? "").length + name.length;
    found.push(fold(name));
  }
  return found;
}

/** A known name ends where the script changes. */
function nameIn(run: string, known: readonly string[]): string {
  if (known.includes(fold(run))) return run;
  const latin = /^[\p{Script=Latin}\p{N}_\-\p{M}]*/u.exec(run)?.[0] ?? "";
  return known.includes(fold(latin)) ? latin : run;
}

function fold(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

/** The name that is being written where the caret stands, with the place of its @. */
export function mentionAt(text: string, caret: number): { start: number; begun: string } | undefined {
  const match = /[@＠]([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret));
  if (!match || IN_ADDRESS.test(text.slice(0, match.index))) return undefined;
  return { start: match.index, begun: fold(match[1] ?? "") };
}

/** Without this term, and without the comma that divided it from its neighbour. */
export function without(text: string, term: Term): string {
  const before = text.slice(0, term.start).replace(/[\s,]+$/u, "");
  const after = text.slice(term.end).replace(/^[\s,]+/u, "");
  return before && after ? `${before}, ${after}` : before + after;
}
