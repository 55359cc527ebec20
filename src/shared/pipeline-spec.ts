import type { CheckedText } from "./pipeline-checked.ts";
import { quoted } from "./pipeline-mistake.ts";
import { outside, pathFrom, pathTo } from "./pipeline-paths.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";

const SPECS_SHOWN_MAX = 5;

/** The path of a spec file that is in the commit. */
export function readSpecPath(
  text: CheckedText,
  folder: string,
  reading: Reading,
): string | undefined {
  const path = pathFrom(folder, text.value);
  if (path === undefined || path === "") return refuse(reading, text.at, outside(text.value));
  if (!reading.tree.has(path)) {
    const message = `no file ${quoted(path)} in commit ${reading.tree.shortSha}`;
    const hint = nearSpec(path, folder, reading) ?? specHint(folder, reading);
    return refuse(reading, text.at, { code: "SPEC_MISSING", message, hint });
  }
  if (path.endsWith(".spec")) return path;
  const message = `${quoted(text.value)} is no .spec file`;
  return refuse(reading, text.at, {
    code: "PATH_INVALID",
    message,
    hint: specHint(folder, reading),
  });
}

/** The commit's spec file, if it has one and no more. */
export function specInTree(reading: Reading): string | undefined {
  const [only, ...others] = specsOf(reading);
  return others.length === 0 ? only : undefined;
}

function specsOf({ tree }: Reading): readonly string[] {
  return tree.files().filter((file) => file.endsWith(".spec"));
}

function nearSpec(path: string, folder: string, reading: Reading): string | undefined {
  const near = reading.nearFile(path);
  if (near === undefined) return undefined;
  const written = pathTo(folder, near.path);
  return near.isNear
    ? `did you mean ${written}?`
    : `found ${near.path}: write \`package: ${written}\``;
}

function specHint(folder: string, reading: Reading): string {
  const specs = specsOf(reading);
  const [only] = specs;
  if (only === undefined) return "commit the spec file";
  if (specs.length === 1) return `found ${only}: write \`package: ${pathTo(folder, only)}\``;
  const more = specs.length > SPECS_SHOWN_MAX ? ` and ${specs.length - SPECS_SHOWN_MAX} more` : "";
  return `spec files in this commit: ${specs.slice(0, SPECS_SHOWN_MAX).join(", ")}${more}`;
}
