import { expect, test } from "vitest";
import { planLines } from "../../../src/cli/change/plan-lines.ts";
import type { ChangePlan, PlanLine } from "../../../src/shared/channel-changes.ts";

test("one package is two lines: what and for which targets, what it replaces", () => {
  const nevra = "hello-1.4.0-1.x86_64";
  const replaces = "hello-1.3.2-1.x86_64";
  const targets = ["el9.x86_64", "el10.x86_64", "el9.x86_64-source"];

  const lines = textOf({
    title: "hello-1.4.0-1: testing → stable",
    add: targets.map((target) => aLine({ target, nevra, replaces, leaves: nevra })),
  });

  expect(lines).toEqual([
    "hello-1.4.0-1: testing → stable   el9, el10 (x86_64)",
    "  replaces 1.3.2-1   dependencies ok",
  ]);
});

test("several packages have a line each, and sources go along unsaid", () => {
  const lines = textOf({
    add: [
      aLine({
        nevra: "hello-2-1.noarch",
        replaces: "hello-1:1-1.noarch",
        leaves: "hello-2-1.noarch",
      }),
      aLine({ nevra: "a-1-1.noarch", leaves: "a-1-1.noarch" }),
      aLine({ nevra: "a-1-1.src", target: "el9.x86_64-source", leaves: "a-1-1.src" }),
    ],
    remove: [aLine({ nevra: "b-2-1.noarch", replaces: "b-2-1.noarch", leaves: "b-1-1.noarch" })],
  });

  expect(lines.slice(1)).toEqual([
    "  hello-2-1.noarch   replaces 1:1-1",
    "  a-1-1.noarch       new",
    "  b-2-1.noarch       removed; hosts get 1-1",
    "  dependencies ok",
  ]);
});

test("a version that is not the newest replaces nothing", () => {
  const newest = "hello-3-1.noarch";
  const add = [aLine({ nevra: "hello-2-1.noarch", replaces: newest, leaves: newest })];

  expect(textOf({ add })[1]).toBe("  beside 3-1, which stays the newest   dependencies ok");
});

test("problems come last with what to do, and then nothing is said to be ok", () => {
  const problems = [
    { code: "REQUIRES_UNSATISFIED" as const, message: "a requires b.", hint: "Promote b too." },
  ];

  const lines = textOf({ add: [aLine({})], problems, warnings: ["An older epoch."] });

  expect(lines.slice(1)).toEqual([
    "  new",
    "  warn  An older epoch.",
    "  REQUIRES_UNSATISFIED  a requires b.",
    "    Promote b too.",
  ]);
});

test("a thousand packages are forty lines and a word about the rest", () => {
  const add = Array.from({ length: 1_000 }, (_, at) => aLine({ nevra: `p${at}-1-1.noarch` }));

  const lines = textOf({ add });

  expect(lines).toHaveLength(43);
  expect(lines.slice(-2)).toEqual(["  and 960 more lines: --json", "  dependencies ok"]);
});

test("a channel that does not want to know is not said to be in order", () => {
  expect(textOf({ add: [aLine({})] }, false)[1]).toBe("  new   dependencies not checked");
});

function aLine(line: Partial<PlanLine>): PlanLine {
  const nevra = "a-1-1.noarch";
  return { channel: "stable", target: "el9.x86_64", nevra, replaces: null, leaves: null, ...line };
}

function textOf(plan: Partial<ChangePlan>, isChecked = true): readonly string[] {
  const nothing = { channels: [], add: [], remove: [], problems: [], warnings: [], confirm: null };
  const lines = planLines({ kind: "promote", title: "A title", ...nothing, ...plan }, isChecked);
  return lines.map((line) =>
    line.map((one) => (typeof one === "string" ? one : one.text)).join(""),
  );
}
