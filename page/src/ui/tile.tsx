import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { tiles, tileUrl } from "../server.js";

interface TileProps {
  model: string;
  kind: "styles" | "characters";
  name: string;
}

/** The small picture, or a plain tile with the first letter. */
export function Tile({ model, kind, name }: TileProps): JSX.Element {
  const url = useSignal("");
  const known = tiles.value;
  useEffect(() => {
    let current = true;
    const found = tileUrl(model, kind, name);
    if (typeof found === "string") url.value = found;
    else void found.then((told) => current && (url.value = told));
    return () => {
      current = false;
    };
  }, [model, kind, name, known]);
  return url.value ? (
    <img class="tile" src={url.value} alt="" width="96" height="96" draggable={false} />
  ) : (
    <span class="tile plain" aria-hidden="true">
      {name.slice(0, 1)}
    </span>
  );
}
