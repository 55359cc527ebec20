import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Router, type RequestHandler } from "express";
import { faviconFiles, type Favicon } from "./pages/icons.ts";

/** Where pages find their style sheet, script and icons: named by content, so good for ever. */
export interface AssetAddresses {
  readonly style: string;
  readonly script: string;
  readonly icons: Readonly<Record<Favicon, string>>;
}

export interface Assets {
  readonly addresses: AssetAddresses;
  /** File name → file. */
  readonly files: ReadonlyMap<string, AssetFile>;
}

export interface AssetFile {
  readonly type: string;
  readonly body: Buffer;
}

const SOURCES = fileURLToPath(new URL("assets/", import.meta.url));
const TYPES = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  map: "application/json",
  svg: "image/svg+xml",
} as const;

/** Bundles what the browser runs, in memory, once when the server starts: tens of milliseconds. */
export async function buildAssets(): Promise<Assets> {
  const { outputFiles } = await build({
    absWorkingDir: SOURCES,
    entryPoints: ["main.ts", "main.css"],
    outdir: "/assets",
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    sourcemap: "linked",
    legalComments: "none",
    write: false,
  });
  const files = new Map<string, AssetFile>();
  for (const { path, contents } of outputFiles) {
    addFile(files, path.slice(path.lastIndexOf("/") + 1), Buffer.from(contents));
  }
  const icons = Object.fromEntries(
    faviconFiles().map(({ name, svg }) => [name, addHashed(files, `icon-${name}`, "svg", svg)]),
  ) as Record<Favicon, string>;
  return { files, addresses: { style: find(files, "css"), script: find(files, "js"), icons } };
}

/** Serves the assets. Open to everybody: the sign-in page needs them too. */
export function assetRoutes(assets: Assets): Router {
  const serve: RequestHandler<{ name: string }> = (request, response, next) => {
    const file = assets.files.get(request.params.name);
    if (file === undefined) return next();
    response.set({
      "Content-Type": file.type,
      "Cache-Control": "public, max-age=31536000, immutable",
      "X-Content-Type-Options": "nosniff",
    });
    response.send(file.body);
  };
  return Router().get("/assets/:name", serve);
}

function addHashed(
  files: Map<string, AssetFile>,
  name: string,
  extension: keyof typeof TYPES,
  text: string,
): string {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const fileName = `${name}-${digest}.${extension}`;
  addFile(files, fileName, Buffer.from(text));
  return `/assets/${fileName}`;
}

function addFile(files: Map<string, AssetFile>, name: string, body: Buffer): void {
  const extension = name.slice(name.lastIndexOf(".") + 1) as keyof typeof TYPES;
  files.set(name, { type: TYPES[extension], body });
}

function find(files: ReadonlyMap<string, AssetFile>, extension: string): string {
  const name = [...files.keys()].find((candidate) => candidate.endsWith(`.${extension}`));
  if (name === undefined) throw new Error(`No .${extension} file came out of the bundler.`);
  return `/assets/${name}`;
}
