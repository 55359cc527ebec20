import type {
  PackageStep,
  ReleaseRule,
  SpecSource,
  TestStep,
  VerifyRule,
  VersionRule,
} from "../domain/pipeline.ts";
import { DURATION_UNITS } from "../domain/pipeline-types.ts";
import { baseName } from "../domain/repo-path.ts";
import { tagMatchesVersion, versionOfTag } from "../domain/rpm-version.ts";
import {
  has,
  mapOf,
  NO_MAP,
  numberOf,
  switchOf,
  textEntries,
  textOf,
  textsOf,
  valueOf,
} from "./pipeline-checked.ts";
import type { Checked, CheckedMap, CheckedText } from "./pipeline-checked.ts";
import { readCommands, readRuns, readStepScope } from "./pipeline-defaults.ts";
import type { Defaults, ProjectScope } from "./pipeline-defaults.ts";
import { readFilesSource } from "./pipeline-files.ts";
import { readImage } from "./pipeline-image.ts";
import { quoted } from "./pipeline-mistake.ts";
import type { Place } from "./pipeline-mistake.ts";
import { refuse } from "./pipeline-reading.ts";
import type { Reading } from "./pipeline-reading.ts";
import { checkReachable } from "./pipeline-rules.ts";
import { channelMistake, sourceMistake, targetMistake } from "./pipeline-server-names.ts";
import { readSpecPath, specInTree } from "./pipeline-spec.ts";

const VERIFY_TIMEOUT_MS = 30 * DURATION_UNITS.m;

export interface PackagesContext extends ProjectScope {
  readonly defaults: Defaults;
  readonly tests: readonly TestStep[];
}

/** The packages of a project in the order of the file. What was refused is left out. */
export function readPackages(
  value: Checked | undefined,
  keyAt: Place,
  context: PackagesContext,
  reading: Reading,
): readonly PackageStep[] {
  const items = value?.kind === "list" ? value.items : value === undefined ? [] : [value];
  const labels = new Map<string, Place>();
  return items.flatMap((item) => {
    // A map is blamed at its key, an entry of a list where it begins.
    const at = value?.kind === "list" || item.kind === "text" ? item.at : keyAt;
    const step = readPackage(item, at, context, reading);
    if (step === undefined) return [];
    if (labels.has(step.label)) {
      const message = `two packages would be called ${quoted(step.label)}`;
      const hint = "packages of one repo have different names: rename one, or its spec file";
      refuse(reading, at, { code: "NAME_RESERVED", message, hint });
    }
    labels.set(step.label, at);
    return [step];
  });
}

function readPackage(
  value: Checked,
  at: Place,
  context: PackagesContext,
  reading: Reading,
): PackageStep | undefined {
  const map = value.kind === "map" ? value : NO_MAP;
  const isMissing = value.kind === "map" && !has(map, "spec") && refuseIncomplete(map, at, reading);
  const { defaults, tests, ...project } = context;
  const step = readStepScope(map, project, [], reading);
  checkReachable(mapOf(map, "only"), "the package", context.when, reading);
  const run = readCommands(map, "run", reading);
  const isMadeBefore = run !== null || tests.some((test) => test.keep !== null);
  const spec = value.kind === "text" ? value : textOf(map, "spec");
  const isSpec = value.kind === "text" || has(map, "spec");
  const source = isSpec
    ? readSpecSource(map, spec, context, reading)
    : readFilesSource(map, { scope: step.scope, isMadeBefore }, reading);
  const parts = {
    ...readTargets(map, reading),
    version: readVersion(map, isSpec, reading),
    release: readRelease(map, isSpec, reading),
    run,
    image: readImage(valueOf(map, "image"), step.scope, reading) ?? null,
    repos: readRepos(map, reading),
    rpmbuildNetwork: textOf(map, "network")?.value === "internet",
    lint: readLint(map),
    verify: readVerify(map, reading),
    ...readRuns(map, defaults, step, reading),
  };
  if (source === undefined || isMissing) return undefined;
  const label =
    source.kind === "spec"
      ? baseName(source.path)
          .replace(/\.spec$/, "")
          .slice(0, 200)
      : source.name;
  return { label, ...parts, source };
}

const NEEDED = ["name", "summary", "license", "files"] as const;
const EXAMPLES: Readonly<Record<(typeof NEEDED)[number], string>> = {
  name: "`name: hello`",
  summary: "`summary: Says hello`",
  license: "`license: MIT` (an SPDX name)",
  files: "`files: { /usr/bin/hello: dist/hello }`",
};

/** One message, however much is missing. True: there is something to say. */
function refuseIncomplete(map: CheckedMap, at: Place, reading: Reading): boolean {
  const missing = NEEDED.filter((key) => !has(map, key));
  const [first] = missing;
  // What only a spec has was told already: `"fetch" needs "spec"`.
  const isSpecMeant = ["define", "with", "without", "fetch"].some((key) => has(map, key));
  if (first === undefined || isSpecMeant) return first !== undefined;
  const names = missing.map((key) => `"${key}"`);
  const listed = [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" and ");
  refuse(reading, at, {
    code: "KEY_MISSING",
    message: `a package without a spec needs ${listed}`,
    hint: `add ${EXAMPLES[first]}, or name a spec: \`spec: ${specInTree(reading) ?? "hello.spec"}\``,
  });
  return true;
}

function readSpecSource(
  map: CheckedMap,
  spec: CheckedText | undefined,
  context: ProjectScope,
  reading: Reading,
): SpecSource | undefined {
  const path = spec && readSpecPath(spec, context.folder, reading);
  if (path === undefined) return undefined;
  const define = textEntries(mapOf(map, "define"));
  return {
    kind: "spec",
    path,
    define: Object.fromEntries(define.map(({ key, value }) => [key, value.value])),
    with: textsOf(map, "with")?.map(({ value }) => value) ?? [],
    without: textsOf(map, "without")?.map(({ value }) => value) ?? [],
    fetch: switchOf(map, "fetch") ?? false,
    sourceRpm: switchOf(map, "source-rpm") ?? true,
    debuginfo: switchOf(map, "debuginfo") ?? true,
  };
}

function readTargets(map: CheckedMap, reading: Reading): Pick<PackageStep, "for" | "arch"> {
  const wanted = textsOf(map, "for");
  const arch = textsOf(map, "arch")?.map(({ value }) => value) ?? ["x86_64"];
  for (const { value, at } of wanted ?? []) {
    const mistake = reading.names && targetMistake(value, arch, reading.names);
    if (mistake !== undefined) refuse(reading, at, mistake);
  }
  if (wanted === undefined) checkArches(map, reading);
  return {
    for: wanted === undefined ? null : [...new Set(wanted.map(({ value }) => value))],
    arch: [...new Set(arch)],
  };
}

/** Without `for` the distribution is that of the server's default target. */
function checkArches(map: CheckedMap, reading: Reading): void {
  const { names } = reading;
  const distribution = names?.targets[0]?.split(".", 1)[0];
  if (names === undefined || distribution === undefined) return;
  for (const { value, at } of textsOf(map, "arch") ?? []) {
    const mistake = targetMistake(distribution, [value], names);
    if (mistake !== undefined) refuse(reading, at, mistake);
  }
}

function readVersion(map: CheckedMap, isSpec: boolean, reading: Reading): VersionRule {
  const value = valueOf(map, "version");
  if (value?.kind === "map") {
    const pattern = textOf(value, "from-tag");
    if (pattern !== undefined) checkTagPattern(pattern, reading);
    return { kind: "from-tag", pattern: pattern?.value ?? null };
  }
  if (value?.kind !== "text")
    return isSpec ? { kind: "spec" } : { kind: "from-tag", pattern: null };
  if (value.value === "from-tag") return { kind: "from-tag", pattern: null };
  if (value.value !== "spec") {
    checkVersionTag(value, reading);
    return { kind: "fixed", version: value.value };
  }
  if (!isSpec) refuseSpec(value, "version: from-tag", reading);
  return { kind: "spec" };
}

function checkTagPattern({ value, at }: CheckedText, reading: Reading): void {
  if (value.split("*").length === 2 && !/[?[\]{}\\!\s]/.test(value)) return;
  refuse(reading, at, {
    code: "PATTERN_INVALID",
    message: `${quoted(value)} has to have one "*", for the version, and no other sign of a pattern`,
    hint: 'for tags such as api-v1.4.0: "api-v*"',
  });
}

/** The coming release cannot be one that this commit is tagged with otherwise. */
function checkVersionTag({ value, at }: CheckedText, reading: Reading): void {
  const tags = (reading.tree.tags ?? []).filter((tag) => versionOfTag(tag) !== undefined);
  const [first] = tags;
  const isMeant = (tag: string): boolean =>
    tagMatchesVersion(tag, value) || versionOfTag(tag)?.startsWith(`${value}~`) === true;
  if (first === undefined || tags.some(isMeant)) return;
  refuse(reading, at, {
    code: "VERSION_TAG",
    message: `this commit is tagged ${first.slice(0, 100)}`,
    hint: "raise the tag or the version, or write `version: from-tag`",
  });
}

function refuseSpec({ at }: CheckedText, instead: string, reading: Reading): void {
  const message = "there is no spec file to take it from";
  refuse(reading, at, { code: "VERSION_INVALID", message, hint: `write \`${instead}\`` });
}

function readRelease(map: CheckedMap, isSpec: boolean, reading: Reading): ReleaseRule {
  const text = textOf(map, "release");
  if (text === undefined || text.value === "auto") return { kind: "auto" };
  if (text.value !== "spec") return { kind: "fixed", release: text.value };
  if (!isSpec) refuseSpec(text, "release: auto", reading);
  return { kind: "spec" };
}

function readRepos(map: CheckedMap, reading: Reading): readonly string[] {
  const repos = textsOf(map, "repos") ?? [];
  for (const { value, at } of repos) {
    const mistake = reading.names && sourceMistake(value, reading.names);
    if (mistake !== undefined) refuse(reading, at, mistake);
  }
  return repos.map(({ value }) => value);
}

function readLint(map: CheckedMap): PackageStep["lint"] {
  const lint = textOf(map, "lint")?.value;
  return lint === "off" || lint === "error" ? lint : "warn";
}

function readVerify(map: CheckedMap, reading: Reading): VerifyRule | null {
  const value = valueOf(map, "verify");
  const always = { run: null, upgradeFrom: null, timeoutMs: VERIFY_TIMEOUT_MS };
  if (value?.kind === "switch") return value.value ? always : null;
  if (value?.kind === "text") return { ...always, run: value.value };
  if (value?.kind !== "map") return always;
  const from = textOf(value, "upgrade-from");
  const mistake = from && reading.names && channelMistake(from.value, reading.names);
  if (from !== undefined && mistake !== undefined) refuse(reading, from.at, mistake);
  return {
    run: readCommands(value, "run", reading),
    upgradeFrom: from?.value ?? null,
    timeoutMs: numberOf(value, "timeout") ?? VERIFY_TIMEOUT_MS,
  };
}
