import { nearSpelling } from "../domain/near-spelling.ts";
import {
  OTHER_WORDS,
  PIPELINE_COMMAND_BYTES_MAX,
  PIPELINE_KEYS,
  PIPELINE_STEPS_MAX,
} from "../domain/pipeline-keys.ts";
import type { PipelineKeyName } from "../domain/pipeline-keys.ts";
import type { PipelineProblem, PipelineTest } from "../domain/pipeline.ts";
import { problemAt, quoted } from "./pipeline-mistake.ts";
import type { Place } from "./pipeline-mistake.ts";
import { channelNameMistake, testNameMistake } from "./pipeline-names.ts";
import type { MapEntry, TextNode } from "./pipeline-text.ts";

/** What the file says, not yet compared with the commit. What was refused is left out. */
export interface PipelineShape {
  readonly image: Placed | undefined;
  readonly tests: readonly PipelineTest[];
  readonly spec: Placed | undefined;
  readonly publish: Placed | undefined;
  /** Keys that the file has, misspelt and refused ones included, and where they stand. */
  readonly keys: ReadonlyMap<PipelineKeyName, Place>;
  readonly problems: readonly PipelineProblem[];
}

export interface Placed {
  readonly value: string;
  readonly at: Place;
}

/** Each reader leaves its problems here; they are put in order at the end. */
type Problems = PipelineProblem[];

/** Layer 2: keys, types and names, by the table in domain/pipeline-keys.ts. */
export function readPipelineShape(root: TextNode): PipelineShape {
  const problems: Problems = [];
  const found = topLevelKeys(root, problems);
  const image = readKey("image", found, problems);
  const tests = readTests(found.get("test"), problems);
  const spec = readKey("package", found, problems);
  const publish = readChannel(found, problems);
  refuseTooManySteps(tests, found.has("package"), problems);
  return {
    image,
    tests: tests.map(({ name, run }) => ({ name, run })),
    spec,
    publish,
    keys: new Map([...found].map(([key, entry]) => [key, entry.keyAt])),
    problems,
  };
}

type FoundKeys = ReadonlyMap<PipelineKeyName, MapEntry>;

const KEY_NAMES: readonly PipelineKeyName[] = PIPELINE_KEYS.map(({ key }) => key);

function isKeyName(word: string | undefined): word is PipelineKeyName {
  return KEY_NAMES.some((name) => name === word);
}

function topLevelKeys(root: TextNode, problems: Problems): FoundKeys {
  const found = new Map<PipelineKeyName, MapEntry>();
  if (root.kind !== "map" || root.entries.length === 0) {
    problems.push(notAMap(root));
    return found;
  }
  for (const entry of root.entries) {
    if (isKeyName(entry.key)) found.set(entry.key, entry);
  }
  for (const entry of root.entries) {
    if (isKeyName(entry.key)) continue;
    const meant = meantKey(entry.key);
    problems.push(unknownKey(entry, meant, meant && found.get(meant)));
    // What stands under a misspelt key is checked under the likelier name, so that one mistake does
    // not hide the next. Where the right key stands as well, that one counts.
    if (meant !== undefined && !found.has(meant)) found.set(meant, { ...entry, key: meant });
  }
  return found;
}

function notAMap(root: TextNode): PipelineProblem {
  if (root.kind === "empty" || root.kind === "map") {
    return problemAt(
      { line: 1, column: 1, length: 1 },
      {
        code: "FILE_EMPTY",
        message: "the file has no keys",
        hint: "remove it to let Tatara guess, or name an image and a test",
      },
    );
  }
  const glued = root.kind === "text" ? /^([a-z]+):(\S.*)$/m.exec(root.value.slice(0, 60)) : null;
  const hint = isKeyName(glued?.[1])
    ? `a space follows the colon: \`${glued?.[1]}: ${glued?.[2]}\``
    : "write `key: value`, for example `test: make check`";
  const message = `the file takes keys (${KEY_NAMES.join(", ")}), not ${described(root)}`;
  return problemAt(root.at, { code: "VALUE_TYPE", message, hint });
}

/** The key of ours that somebody means: by a word of another system, or by its spelling. */
function meantKey(written: string): PipelineKeyName | undefined {
  const word = written.toLowerCase();
  const ours = Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word] : undefined;
  const meant = ours?.find(isKeyName) ?? nearSpelling(written, KEY_NAMES);
  return isKeyName(meant) ? meant : undefined;
}

function unknownKey(
  { key, keyAt }: MapEntry,
  meant: PipelineKeyName | undefined,
  right: MapEntry | undefined,
): PipelineProblem {
  const standsOn = right === undefined ? "" : ` It stands on line ${right.keyAt.line}`;
  const hint = meant ? `did you mean "${meant}"?${standsOn}` : `keys: ${KEY_NAMES.join(", ")}`;
  return problemAt(keyAt, { code: "KEY_UNKNOWN", message: `unknown key ${quoted(key)}`, hint });
}

/** The text of a key that takes nothing else. */
function readKey(name: PipelineKeyName, found: FoundKeys, problems: Problems): Placed | undefined {
  const entry = found.get(name);
  if (entry === undefined) return undefined;
  const rules = { ...rulesOf(name), label: `"${name}"`, isCommand: false };
  const placed = readText(entry, rules, problems);
  return placed && { ...placed, value: placed.value.trim() };
}

function readChannel(found: FoundKeys, problems: Problems): Placed | undefined {
  const channel = readKey("publish", found, problems);
  const mistake = channel && channelNameMistake(channel.value);
  if (channel === undefined || mistake === undefined) return channel;
  problems.push(problemAt(channel.at, mistake));
  return undefined;
}

interface TextRules {
  /** What the message calls it: `"unit" in test`. */
  readonly label: string;
  readonly takes: string;
  readonly noun: string;
  /** Shows how it is done, where the file does not. */
  readonly hint: string;
  /** `true` and `false` are commands, so they only lack quotes. */
  readonly isCommand: boolean;
}

function rulesOf(name: PipelineKeyName): Pick<TextRules, "takes" | "noun" | "hint"> {
  const row = PIPELINE_KEYS.find(({ key }) => key === name) ?? PIPELINE_KEYS[0];
  return { takes: row.takes, noun: row.noun, hint: `\`${row.example}\`` };
}

function readText(entry: MapEntry, rules: TextRules, problems: Problems): Placed | undefined {
  const { key, keyAt, value } = entry;
  if (isEmpty(value)) {
    const message = `${rules.label} has no value`;
    const hint = `give it ${rules.noun}, or remove the line`;
    const at = value.kind === "empty" ? keyAt : value.at;
    problems.push(problemAt(at, { code: "VALUE_EMPTY", message, hint }));
  } else if (value.kind === "text") {
    return { value: value.value, at: value.at };
  } else if (value.kind === "number" || (value.kind === "switch" && rules.isCommand)) {
    const hint = `write ${quoted(value.written)}`;
    problems.push(problemAt(value.at, { code: "VALUE_UNQUOTED", message: unquoted(value), hint }));
  } else {
    const message = `${rules.label} takes ${rules.takes}, not ${described(value)}`;
    const inside = textInside(value);
    const hint = inside === undefined ? rules.hint : `\`${key}: ${inside}\``;
    problems.push(problemAt(value.at, { code: "VALUE_TYPE", message, hint }));
  }
  return undefined;
}

function isEmpty(node: TextNode): boolean {
  if (node.kind === "text") return node.value.trim() === "";
  if (node.kind === "list") return node.items.length === 0;
  return node.kind === "empty" || (node.kind === "map" && node.entries.length === 0);
}

function unquoted({ kind, written, becomes }: TextNode & { kind: "number" | "switch" }): string {
  const what = `${written.slice(0, 60)} without quotes is a ${kind}`;
  return becomes === written ? `${what}, not text` : `${what} and would become ${becomes}`;
}

function described({ kind }: TextNode): string {
  return kind === "text" || kind === "empty" ? kind : `a ${kind}`;
}

/** The text that was surely meant, when a list or a map stands where text belongs. */
function textInside(node: TextNode): string | undefined {
  const only = node.kind === "list" && node.items.length === 1 ? node.items : [];
  const values = node.kind === "map" ? node.entries.map(({ value }) => value) : only;
  const text = values.find((value) => value.kind === "text");
  // What would need quotes is left to the person.
  return text !== undefined && /^[\w./][^\n:#`]{0,60}$/.test(text.value) ? text.value : undefined;
}

interface FoundTest extends PipelineTest {
  readonly at: Place;
}

function readTests(entry: MapEntry | undefined, problems: Problems): readonly FoundTest[] {
  if (entry === undefined) return [];
  const { value, keyAt } = entry;
  if (value.kind === "map" && value.entries.length > 0) {
    return value.entries.flatMap((step) => readNamedTest(step, problems));
  }
  const hint = commandHint("test");
  const rules = { ...rulesOf("test"), label: '"test"', isCommand: true, hint };
  const command = readCommand(entry, rules, problems);
  return command === undefined ? [] : [{ name: "test", run: command.value, at: keyAt }];
}

function readNamedTest(step: MapEntry, problems: Problems): readonly FoundTest[] {
  const { key, keyAt } = step;
  const label = `${quoted(key)} in test`;
  const noun = "a command";
  const rules = { label, takes: noun, noun, isCommand: true, hint: commandHint(key) };
  const mistake = testNameMistake(key);
  if (mistake !== undefined) problems.push(problemAt(keyAt, mistake));
  const command = readCommand(step, rules, problems);
  return mistake === undefined && command !== undefined
    ? [{ name: key, run: command.value, at: keyAt }]
    : [];
}

function readCommand(entry: MapEntry, rules: TextRules, problems: Problems): Placed | undefined {
  const command = readText(entry, rules, problems);
  if (command === undefined) return undefined;
  if (new TextEncoder().encode(command.value).length <= PIPELINE_COMMAND_BYTES_MAX) return command;
  const message = `${rules.label} is longer than the limit, ${PIPELINE_COMMAND_BYTES_MAX / 1024} KiB`;
  const hint = "move it into a script of the repository";
  problems.push(problemAt(command.at, { code: "LIMIT_EXCEEDED", message, hint }));
  return undefined;
}

function commandHint(key: string): string {
  return `write one command, or \`${key.slice(0, 60)}: |\` and below it a line for each`;
}

function refuseTooManySteps(
  tests: readonly FoundTest[],
  hasPackage: boolean,
  problems: Problems,
): void {
  // The other steps are `checkout`, `image` and perhaps `package`.
  const testsMax = PIPELINE_STEPS_MAX - (hasPackage ? 3 : 2);
  const first = tests[testsMax];
  if (first === undefined) return;
  const message = `${tests.length} tests are over the limit, ${testsMax}`;
  const hint = "put several commands into one test";
  problems.push(problemAt(first.at, { code: "LIMIT_EXCEEDED", message, hint }));
}
