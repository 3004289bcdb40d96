// Bundles each widget into one ES module and one stylesheet: `node build.mjs [FOLDER]`.
// FOLDER, by default the one above, gets grid/widget.js, grid/widget.css and so on.
import { readFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = ["chrome111", "firefox121", "safari16.4"];
/** The class of a widget's root element, and the shared styles that the widget uses. */
const widgets = {
  grid: ["sk-preview", "table", "parts"],
  marker: ["sk-marker", "parts", "sheet"],
  lab: ["sk-lab", "diff"],
  explorer: ["sk-explorer", "sheet"],
  sessions: ["sk-session", "table", "sheet", "diff"],
};

async function script(name) {
  const { outputFiles } = await build({
    entryPoints: [join(here, name, "index.ts")],
    bundle: true,
    minify: true,
    format: "esm",
    charset: "utf8",
    target,
    write: false,
  });
  return outputFiles[0].contents;
}

// All rules of a stylesheet are nested in the widget's root, so that no widget styles another.
async function style(name, [root, ...shared]) {
  const files = ["shared/base.css", ...shared.map((part) => `shared/${part}.css`), `${name}/style.css`];
  const parts = await Promise.all(files.map((file) => readFile(join(here, file), "utf8")));
  const options = { loader: "css", minify: true, charset: "utf8", target };
  const { code, warnings } = await transform(`.synthkit.${root} {\n${parts.join("\n")}\n}`, options);
  if (warnings.length) throw new Error(`${name}: ${JSON.stringify(warnings)}`);
  return code;
}

const folder = resolve(process.argv[2] ?? join(here, ".."));
await Promise.all(
  Object.entries(widgets).map(async ([name, parts]) => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "widget.js"), await script(name));
    await writeFile(join(folder, name, "widget.css"), await style(name, parts));
  }),
);
