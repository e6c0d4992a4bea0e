// Reads prompts as the page does: JSON of {texts, characters} in, of problems out.
import { readFileSync } from "node:fs";
import { readPrompt } from "../../page/src/prompt.ts";

const { texts, characters, most } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map((text: string) => readPrompt(text, characters, most))));
