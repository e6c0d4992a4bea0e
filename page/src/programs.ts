// The same picture from somebody's own program. The key stays out of it.

import { base } from "./server.js";

type Value = string | number | boolean;
export type Body = Record<string, Value>;
export const LANGUAGES = ["curl", "Python", "JavaScript"] as const;
export type Language = (typeof LANGUAGES)[number];

/** `body`: of `generate`, without its action. `file`: what the picture is saved as. */
export function program(language: Language, body: Body, file: string): string {
  return { curl, Python: python, JavaScript: javascript }[language](body, file);
}

function curl(body: Body, file: string): string {
  const json = JSON.stringify({ action: "generate", ...body }).replaceAll("'", "'\\''");
  return `curl -s ${base}/api/v2 \\
  -H "Authorization: Bearer $IMGEN_API_KEY" -H "Prefer: wait=60" \\
  -d '${json}' |
  grep -o 'http[^"]*' | head -1 | xargs curl -s -o ${file}
`;
}

function python(body: Body, file: string): string {
  const fields = Object.entries(body).map(([name, value]) => `, ${name}=${literal(value)}`);
  return `import os, time
import requests

def ask(**body):
    key = {"Authorization": f"Bearer {os.environ['IMGEN_API_KEY']}"}
    return requests.post("${base}/api/v2", json=body, headers=key).json()

job = ask(action="generate"${fields.join("")})
while (state := ask(action="status", id=job["id"]))["status"].startswith("IN_"):
    time.sleep(1)
with open("${file}", "wb") as picture:
    picture.write(requests.get(state["meta"]["images"][0]["url"]).content)
`;
}

function javascript(body: Body, file: string): string {
  return `import { writeFile } from "node:fs/promises";

async function ask(body) {
  const answer = await fetch("${base}/api/v2", {
    method: "POST",
    headers: { Authorization: \`Bearer \${process.env.IMGEN_API_KEY}\`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.json();
}

const job = await ask(${JSON.stringify({ action: "generate", ...body })});
let state;
do {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  state = await ask({ action: "status", id: job.id });
} while (state.status.startsWith("IN_"));
const picture = await fetch(state.meta.images[0].url);
await writeFile("${file}", Buffer.from(await picture.arrayBuffer()));
`;
}

function literal(value: Value): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
}
