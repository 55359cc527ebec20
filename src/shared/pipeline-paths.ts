import type { WorkDir } from "../domain/pipeline.ts";
import type { CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { Finding } from "./pipeline-mistake.ts";
import { checkTemplates, refuse } from "./pipeline-reading.ts";
import type { Reading, Scope } from "./pipeline-reading.ts";

const PATH_HINT = 'paths are inside the repository, without a leading "/"';

/**
 * A path of the file as git writes it, from the root of the repo; "" is the root itself. Undefined
 * when it leaves the repo or starts with "/".
 */
export function pathFrom(folder: string, written: string): string | undefined {
  if (written.startsWith("/")) return undefined;
  const parts = folder === "" ? [] : folder.split("/");
  for (const part of written.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

/** A path as people write it in a project's folder: `rpm/hello.spec` of `api/rpm/hello.spec`. */
export function pathTo(folder: string, path: string): string {
  if (folder === "") return path;
  if (path.startsWith(`${folder}/`)) return path.slice(folder.length + 1);
  return `${"../".repeat(folder.split("/").length)}${path}`;
}

export function outside(written: string): Finding {
  const message = `${quoted(written)} ${whyOutside(written)}`;
  return { code: "PATH_INVALID", message, hint: PATH_HINT };
}

function whyOutside(written: string): string {
  if (written.startsWith("/")) return 'starts with "/"';
  return /(?:^|\/)\.\.(?:\/|$)/.test(written) ? "leaves the repository" : "names no file";
}

/** A file or folder of the workspace; it need not be in the commit. */
export function readPath(text: CheckedText, scope: Scope, reading: Reading): string | undefined {
  const path = pathFrom(scope.folder, text.value);
  if (path === undefined || path === "") return refuse(reading, text.at, outside(text.value));
  return path;
}

/** A folder of the commit; the root is one. */
export function readFolder(text: CheckedText, scope: Scope, reading: Reading): string | undefined {
  const path = pathFrom(scope.folder, text.value);
  if (path === undefined) return refuse(reading, text.at, outside(text.value));
  if (text.value.includes("${") || reading.hasFolder(path)) return path;
  return refuse(reading, text.at, {
    code: "FILE_MISSING",
    message: `no folder ${quoted(path)} in commit ${reading.tree.shortSha}`,
    hint: "git knows a folder by its files: commit one, or correct the path",
  });
}

/** Patterns of files. A leading `!` stays in front of the folder that they start from. */
export function readFilePatterns(
  texts: readonly CheckedText[],
  scope: Scope,
  reading: Reading,
): readonly string[] {
  return texts.flatMap((text) => {
    checkTemplates(text, scope, reading);
    const [mark, pattern] = text.value.startsWith("!")
      ? ["!", text.value.slice(1)]
      : ["", text.value];
    const path = pathFrom(scope.folder, pattern);
    if (path !== undefined && path !== "")
      return [`${mark}${path}${/[^/]\/$/.test(pattern) ? "/**" : ""}`];
    refuse(reading, text.at, outside(pattern));
    return [];
  });
}

/** Folders of a cache: `~/.npm` stays as it is. */
export function readCachePaths(
  texts: readonly CheckedText[],
  scope: Scope,
  reading: Reading,
): readonly string[] {
  return texts.flatMap((text) => {
    checkTemplates(text, scope, reading);
    const home = /^~\/(.*)$/.exec(text.value)?.[1];
    const inside = home === undefined ? pathFrom(scope.folder, text.value) : pathFrom("", home);
    const isAnyUser = home === undefined && text.value.startsWith("~");
    if (inside !== undefined && inside !== "" && !isAnyUser) {
      return [home === undefined ? inside : `~/${inside}`];
    }
    const message = `${quoted(text.value)} is no folder of a cache`;
    const hint = "a folder below ~/ or inside the workspace, such as `~/.npm`";
    refuse(reading, text.at, { code: "PATH_INVALID", message, hint });
    return [];
  });
}

/** A working directory; a folder that is called "image" is written `./image`. */
export function readWorkDir(
  text: CheckedText | undefined,
  scope: Scope,
  reading: Reading,
): WorkDir | undefined {
  if (text === undefined) return undefined;
  if (text.value === "image") return { kind: "image" };
  const path = pathFrom(scope.folder, text.value);
  return path === undefined
    ? refuse(reading, text.at, outside(text.value))
    : { kind: "path", path };
}
