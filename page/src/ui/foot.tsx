import type { JSX } from "preact";
import { facts } from "../server.js";

export function Foot(): JSX.Element {
  return (
    <footer class="foot">
      <span>imgen {facts.value?.version}</span>
      <a href="docs">API reference</a>
      <a href="llm-docs">For language models</a>
    </footer>
  );
}
