// Writes ../frontend/page/built: what the server carries, each file compressed and named by its digest.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const OUT = process.argv[2] ?? join(import.meta.dirname, "../frontend/page/built");
const HERE = import.meta.dirname;
const FONT = join(HERE, "node_modules/@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-normal.woff2");

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });

function write(name, body) {
  writeFileSync(join(OUT, `${name}.gz`), gzipSync(body, { level: 9 }));
}

/** The name under which it lies there. */
function keep(name, body) {
  const digest = createHash("sha256").update(body).digest("hex").slice(0, 10);
  const stem = basename(name, extname(name));
  const told = `${stem}-${digest}${extname(name)}`;
  write(told, body);
  return told;
}

// Of all that goes into the page.
const PARTS = ["preact", "@preact/signals", "@preact/signals-core", "@fontsource-variable/instrument-sans"];
const licence = (part) => `${part}\n\n${readFileSync(join(HERE, "node_modules", part, "LICENSE"), "utf8").trim()}\n`;
keep("licences.txt", PARTS.map(licence).join("\n\n"));
const font = keep("instrument-sans.woff2", readFileSync(FONT));
const icon = keep("icon.svg", readFileSync(join(HERE, "icon.svg")));
const made = await build({
  entryPoints: [join(HERE, "src/main.tsx"), join(HERE, "src/style.css")],
  absWorkingDir: HERE,
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  external: ["*.woff2"],
  write: false,
});
const text = (ending) => made.outputFiles.find((file) => file.path.endsWith(ending)).text;
const style = keep("style.css", text("style.css").replace("instrument-sans.woff2", font));
const script = keep("main.js", text("main.js"));
const page = readFileSync(join(HERE, "index.html"), "utf8");
write(
  "index.html",
  page.replace("main.js", script).replace("style.css", style).replace("icon.svg", icon).replace("font.woff2", font),
);
