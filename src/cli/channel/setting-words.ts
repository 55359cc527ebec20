import { nearSpelling } from "../../domain/near-spelling.ts";
import type { SettingsPatch } from "../../shared/channel-requests.ts";
import { settingsPatch } from "../../shared/channel-requests.ts";
import { CommandError, EXIT } from "../exit-codes.ts";

/** How a value is read from `key=value`; what it may be says the schema that the server uses too. */
const KEYS = {
  compression: word,
  layers: word,
  olderVersions: word,
  requires: word,
  fileConflicts: word,
  repos: (text: string) => text.split(",").map((pattern) => pattern.trim()),
  "branchChannels.expireDays": number,
  "retention.keepVersions": number,
  "retention.maxAgeDays": number,
  "retention.keepTagged": (text: string) => ({ true: true, false: false })[text] ?? text,
  metadataExpireSeconds: number,
} as const satisfies Record<string, (text: string) => unknown>;

/** `expireDays` is the channel's own, not one of its settings. */
const ALL_KEYS = [...Object.keys(KEYS), "expireDays"];

export interface SettingsTyped {
  readonly settings: SettingsPatch;
  /** Null: never. Undefined: not mentioned. */
  readonly expireDays: number | null | undefined;
}

/** `retention.keepVersions=10 layers=off expireDays=null`; all mistakes are told at once. */
export function parseSettings(pairs: readonly string[]): SettingsTyped {
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  let expireDays: unknown;
  for (const pair of pairs) {
    const [, key = "", text = ""] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (key === "expireDays") expireDays = number(text);
    else if (isKey(key)) place(settings, key, KEYS[key](text));
    else problems.push(unknownKey(key === "" ? pair : key));
  }
  const parsed = settingsPatch.safeParse(settings);
  for (const { path, message } of parsed.error?.issues ?? []) {
    problems.push(`${path.join(".")}: ${message}`);
  }
  const isDays = expireDays === undefined || expireDays === null || Number.isInteger(expireDays);
  if (!isDays) problems.push("expireDays: a number of days, or null, is expected");
  if (problems.length > 0) {
    throw new CommandError(EXIT.usage, problems.join("\n"), `keys: ${ALL_KEYS.join(", ")}`);
  }
  return { settings: parsed.data ?? {}, expireDays: expireDays as number | null | undefined };
}

function isKey(key: string): key is keyof typeof KEYS {
  return Object.hasOwn(KEYS, key);
}

function unknownKey(key: string): string {
  const near = nearSpelling(key, ALL_KEYS);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return `There is no setting ${key}.${hint}`;
}

function place(settings: Record<string, unknown>, key: keyof typeof KEYS, value: unknown): void {
  const [first, second] = key.split(".") as [string, string?];
  if (second === undefined) settings[first] = value;
  else if (first === "branchChannels")
    settings[first] = value === null ? null : { [second]: value };
  else settings[first] = { ...(settings[first] as object | undefined), [second]: value };
}

function word(text: string): string {
  return text;
}

/** What is no number stays text, for the schema to refuse. */
function number(text: string): number | string | null {
  if (text === "null" || text === "-" || text === "never") return null;
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}

/** `retention.keepVersions` → `10`: settings as `set` takes them. */
export function settingWords(settings: Readonly<Record<string, unknown>>): Record<string, string> {
  const words = ALL_KEYS.map((key) => {
    const value = key
      .split(".")
      .reduce<unknown>(
        (object, part) => (object as Record<string, unknown> | null | undefined)?.[part],
        settings,
      );
    return [key, wordOf(value)] as const;
  });
  return Object.fromEntries(words);
}

function wordOf(value: unknown): string {
  return Array.isArray(value) ? value.join(",") : JSON.stringify(value ?? null).replaceAll('"', "");
}
