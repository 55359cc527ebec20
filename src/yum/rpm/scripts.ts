import type { Header } from "./header.ts";
import { numbersOf, textOf, textsOf } from "./header-values.ts";
import type { Script, ScriptKind, TriggerKind } from "./rpm-package.ts";
import { RpmRefused } from "./rpm-refused.ts";

/** Tags of the text, and of the interpreter with its arguments. */
const SCRIPTLETS: readonly (readonly [ScriptKind, number, number])[] = [
  ["pretrans", 1151, 1153],
  ["pre", 1023, 1085],
  ["post", 1024, 1086],
  ["preun", 1025, 1087],
  ["postun", 1026, 1088],
  ["posttrans", 1152, 1154],
  ["preuntrans", 5104, 5106],
  ["postuntrans", 5105, 5107],
  ["verify", 1079, 1091],
];

/** Tags of a trigger's scripts, their interpreters, and per condition its script and its flags. */
const TRIGGERS = [
  ["", 1065, 1092, 1069, 1068],
  ["file", 5066, 5067, 5070, 5072],
  ["transfile", 5076, 5077, 5080, 5082],
] as const;

/** Bits of a condition's flags. */
const TRIGGER_KINDS: readonly (readonly [number, TriggerKind])[] = [
  [1 << 16, "triggerin"],
  [1 << 17, "triggerun"],
  [1 << 18, "triggerpostun"],
  [1 << 25, "triggerprein"],
];

const TRIGGERS_MAX = 100_000;

export function readScripts(header: Header): readonly Script[] {
  const scriptlets = SCRIPTLETS.flatMap(([kind, textTag, programTag]): Script[] => {
    const text = textOf(header, textTag);
    const interpreter = textsOf(header, programTag).join(" ");
    return text === "" && interpreter === "" ? [] : [{ kind, interpreter, text }];
  });
  return [...scriptlets, ...TRIGGERS.flatMap((tags) => readTriggers(header, tags))];
}

function readTriggers(
  header: Header,
  [prefix, textTag, programTag, indexTag, flagsTag]: (typeof TRIGGERS)[number],
): readonly Script[] {
  const conditions = header.entries.get(indexTag)?.count ?? 0;
  if (conditions > TRIGGERS_MAX || (header.entries.get(textTag)?.count ?? 0) > TRIGGERS_MAX) {
    throw new RpmRefused("TOO_LARGE", `The RPM has more than ${TRIGGERS_MAX} triggers.`);
  }
  const texts = textsOf(header, textTag);
  const programs = textsOf(header, programTag);
  const flags = numbersOf(header, flagsTag);
  const flagsOfScript = new Map<number, number>();
  for (const [condition, script] of numbersOf(header, indexTag).entries()) {
    flagsOfScript.set(script, flags[condition] ?? 0);
  }
  return texts.map((text, script) => ({
    kind: `${prefix}${triggerKindOf(flagsOfScript.get(script) ?? 0)}` as const,
    interpreter: programs[script] ?? "",
    text,
  }));
}

function triggerKindOf(flags: number): TriggerKind {
  const found = TRIGGER_KINDS.find(([bit]) => (flags & bit) !== 0);
  if (found === undefined) {
    throw new RpmRefused("MALFORMED", "The RPM has a trigger that does not say when it runs.");
  }
  return found[1];
}
