import { createHash, randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PassedThrough } from "../../../src/shared/package-messages.ts";
import { makeFolder } from "../../../src/shared/durable.ts";
import { compress } from "../../../src/yum/compression.ts";
import type { YumLayout } from "../../../src/yum/layout.ts";
import type { ExtraDocument } from "../../../src/yum/target-state.ts";
import { renameSynced, writeSynced } from "../durable.ts";
import { updateinfoXml } from "./updateinfo.ts";
import type { TargetAdvisory } from "./updateinfo.ts";

/** A metadata file that is not about single packages. Null: the target has none any more. */
export interface ExtraText {
  readonly type: "updateinfo" | "group" | "modules";
  readonly text: string | null;
}

/** How each is named in `repomd.xml`, as modifyrepo_c does it: gzip, and comps plain too. */
const FORMS = {
  updateinfo: [{ type: "updateinfo", name: "updateinfo.xml.gz", isCompressed: true }],
  group: [
    { type: "group", name: "comps.xml", isCompressed: false },
    { type: "group_gz", name: "comps.xml.gz", isCompressed: true },
  ],
  modules: [{ type: "modules", name: "modules.yaml.gz", isCompressed: true }],
} as const;

/** What an edit says about a target's extra files; those it does not speak of stay as they are. */
export function extrasOf(
  target: string,
  advisories: readonly TargetAdvisory[] | undefined,
  passedThrough: readonly PassedThrough[],
): readonly ExtraText[] {
  const given = passedThrough
    .filter((each) => each.target === target)
    .map(({ type, text }): ExtraText => ({ type, text }));
  if (advisories === undefined) return given;
  const text = advisories.length === 0 ? null : updateinfoXml(target, advisories);
  return [...given, { type: "updateinfo", text }];
}

/** The target's list with these in the place of earlier ones; their files are on the disk. */
export async function withExtras(
  layout: YumLayout,
  before: readonly ExtraDocument[],
  texts: readonly ExtraText[],
): Promise<readonly ExtraDocument[]> {
  let extras = before;
  for (const { type, text } of texts) {
    const types: readonly string[] = FORMS[type].map((form) => form.type);
    const others = extras.filter((each) => !types.includes(each.type));
    const made = text === null ? [] : FORMS[type].map((form) => storeExtra(layout, text, form));
    extras = [...others, ...(await Promise.all(made))];
  }
  return extras.toSorted((a, b) => (a.type < b.type ? -1 : 1));
}

async function storeExtra(
  layout: YumLayout,
  text: string,
  { type, name, isCompressed }: (typeof FORMS)[keyof typeof FORMS][number],
): Promise<ExtraDocument> {
  const open = Buffer.from(text);
  const bytes = isCompressed ? await compress("gzip", open) : open;
  const sha256 = sha256Of(bytes);
  const path = layout.extra(sha256);
  if (!(await isThere(path))) {
    const staged = join(layout.staging, `extra-${randomUUID()}`);
    await makeFolder(dirname(path));
    await writeSynced(staged, bytes);
    await renameSynced(staged, path);
  }
  return {
    type,
    fileName: `${sha256}-${name}`,
    sha256,
    sizeBytes: bytes.length,
    openSha256: isCompressed ? sha256Of(open) : sha256,
    openSizeBytes: open.length,
  };
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
