import { isTargetName } from "../domain/channel.ts";
import { redisAddressProblem } from "./redis-address.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/** All that is wrong with the settings, at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Settings cannot be used:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

interface IntegerRange {
  readonly min: number;
  readonly max: number;
  /** One number beside the range, with a meaning of its own. */
  readonly or?: number;
}

function textOf({ min, max, or }: IntegerRange): string {
  return `from ${min} to ${max}${or === undefined ? "" : `, or ${or},`}`;
}

export type SettingReader = ReturnType<typeof settingReader>;

/** Reads single settings and keeps what is wrong with them; `finish` throws all of it as one ConfigError. */
export function settingReader(env: Env) {
  const problems: string[] = [];
  const value = (name: string): string | undefined => env[name]?.trim() || undefined;

  const integer = (name: string, fallback: number, range: IntegerRange): number => {
    const text = value(name);
    if (text === undefined) return fallback;
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number === range.or || (number >= range.min && number <= range.max)) return number;
    problems.push(`${name}=${text}: a whole number ${textOf(range)} is expected`);
    return fallback;
  };

  const url = (name: string, fallback: string): string => {
    const text = (value(name) ?? fallback).replace(/\/+$/, "");
    if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
    problems.push(`${name}=${text}: an address such as https://ci.example.com is expected`);
    return fallback;
  };

  const list = (name: string, fallback: readonly string[]): readonly string[] => {
    const items = value(name)
      ?.split(",")
      .map((item) => item.trim());
    return items?.filter((item) => item !== "") ?? fallback;
  };

  const secret = (name: string): string => {
    const text = value(name);
    if (text === undefined) problems.push(`${name} is not set; it has no default`);
    else if (text.length < 16) problems.push(`${name} is shorter than 16 characters`);
    return text ?? "";
  };

  return {
    integer,
    url,
    secret,
    baseRepositories: (name: string) => readTargetRepositories(name, value(name) ?? "", problems),
    targets: (name: string) => readTargets(name, value(name) ?? "", problems),
    yumSources: (name: string) => readYumSources(name, value(name) ?? "", problems),
    text: (name: string, fallback: string) => value(name) ?? fallback,
    optional: (name: string) => value(name),
    optionalUrl: (name: string) => (value(name) === undefined ? undefined : url(name, "http://x")),
    optionalSecret: (name: string) => (value(name) === undefined ? undefined : secret(name)),
    redisAddress: (name: string): string => {
      if (value(name) === undefined) problems.push(`${name} is not set`);
      return readRedisAddress(name, value(name) ?? "", problems);
    },
    optionalRedisAddress: (name: string): string | undefined =>
      readRedisAddress(name, value(name) ?? "", problems) || undefined,
    list,
    listOf: (
      name: string,
      fallback: readonly string[],
      isGood: (item: string) => boolean,
      expected: string,
    ): readonly string[] => {
      const items = list(name, fallback);
      const bad = items.filter((item) => !isGood(item));
      if (bad.length > 0) problems.push(`${name}: ${bad.join(", ")}: ${expected} is expected`);
      return items;
    },
    matching: (name: string, fallback: string, pattern: RegExp, expected: string): string => {
      const text = value(name) ?? fallback;
      if (!pattern.test(text))
        problems.push(`${name}=${text}: at most 40 of ${expected} are expected`);
      return text;
    },
    seconds: (name: string, fallback: number) =>
      integer(name, fallback, { min: 1, max: 86_400 }) * 1_000,
    /** A setting that is known and cannot be honoured: better refused than ignored. */
    notYet: (name: string, why: string): undefined => {
      if (value(name) !== undefined) problems.push(`${name} cannot be set: ${why}`);
    },
    flag: (name: string, fallback: boolean): boolean => {
      const text = value(name);
      if (text === undefined) return fallback;
      if (text === "true" || text === "false") return text === "true";
      problems.push(`${name}=${text}: true or false is expected`);
      return fallback;
    },
    choice: <T extends string>(name: string, choices: readonly T[], fallback: T): T => {
      const text = value(name);
      if (text === undefined) return fallback;
      const found = choices.find((choice) => choice === text);
      if (found === undefined)
        problems.push(`${name}=${text}: one of ${choices.join(", ")} is expected`);
      return found ?? fallback;
    },
    finish: <T extends object>(config: T): Readonly<T> => {
      if (problems.length > 0) throw new ConfigError(problems);
      return Object.freeze(config);
    },
  };
}

/** A target and the addresses of the repositories that its hosts have anyway. */
export interface TargetRepositories {
  readonly target: string;
  readonly urls: readonly string[];
}

/** `el9.x86_64=https://… https://…; el9.aarch64=file:///…` */
function readTargetRepositories(
  name: string,
  text: string,
  problems: string[],
): readonly TargetRepositories[] {
  const entries = text.split(";").map((entry) => entry.trim());
  return entries
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, target = "", addresses = ""] = /^([^=\s]*)\s*=(.*)$/s.exec(entry) ?? [];
      const urls = addresses.split(/\s+/).filter((address) => address !== "");
      if (!isTargetName(target) || urls.length === 0)
        problems.push(
          `${name}: ${entry}: target=address is expected, such as el9.x86_64=https://…`,
        );
      for (const address of urls)
        if (!/^(?:https?|file):\/\//.test(address) || !URL.canParse(address))
          problems.push(`${name}: ${address}: an address with https:, http: or file: is expected`);
        else if (new URL(address).username !== "")
          problems.push(
            `${name}: ${target} has an address with a user; it would stand in warnings`,
          );
      return { target, urls };
    });
}

/** A target that packages can be built for, and the image with its rpmbuild. */
export interface TargetImage {
  readonly target: string;
  readonly image: string;
}

/** `el9.x86_64=registry.example.com/el9-builder:9; debian12.x86_64=tatara/base` */
function readTargets(name: string, text: string, problems: string[]): readonly TargetImage[] {
  return entriesOf(text).map(([target, image]) => {
    if (!isTargetName(target) || !/^\S+$/.test(image)) {
      problems.push(`${name}: ${target}=${image}: target=image is expected, such as el9.x86_64=…`);
    }
    return { target, image };
  });
}

/** A yum repository that `repos:` may name beside channels. */
export interface YumSource {
  readonly name: string;
  readonly url: string;
}

/** `epel=https://…; crb=https://…`; `$basearch` and `$releasever` are dnf's. */
function readYumSources(name: string, text: string, problems: string[]): readonly YumSource[] {
  return entriesOf(text).map(([source, url]) => {
    if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(source) || !/^(?:https?|file):\/\/\S+$/.test(url)) {
      problems.push(`${name}: ${source}=${url}: name=address is expected, such as epel=https://…`);
    }
    return { name: source, url };
  });
}

function entriesOf(text: string): readonly (readonly [string, string])[] {
  return text
    .split(";")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, key = entry, value = ""] = /^([^=]*?)\s*=\s*(.*)$/s.exec(entry) ?? [];
      return [key, value] as const;
    });
}

function readRedisAddress(name: string, text: string, problems: string[]): string {
  const problem = text === "" ? undefined : redisAddressProblem(name, text);
  if (problem !== undefined) problems.push(problem);
  return text;
}
