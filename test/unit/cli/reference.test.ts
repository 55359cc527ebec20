import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/command-list.ts";
import { COMMON_OPTIONS } from "../../../src/cli/command.ts";
import { EXIT_MEANINGS } from "../../../src/cli/exit-codes.ts";

const PAGE = readFileSync(new URL("../../../docs/reference/cli.md", import.meta.url), "utf8");
const DESCRIBED = ["promote", "undo", "yank", "channel", "allow", "name"];

test("the page names each command, each common option and each exit status", () => {
  for (const { name } of COMMANDS) expect(PAGE).toContain(`\`tatara ${name}`);
  for (const option of Object.keys(COMMON_OPTIONS)) expect(PAGE).toContain(`--${option}`);
  for (const [code] of EXIT_MEANINGS) expect(PAGE).toContain(`\n| ${code} | `);
});

test.each(DESCRIBED)("the page names each option of %s", async (name) => {
  const entry = COMMANDS.find((command) => command.name === name);

  const { options = {} } = (await entry?.load()) ?? {};

  for (const option of Object.keys(options)) expect(PAGE).toContain(`--${option}`);
});

test.each(COMMANDS.map(({ name, load }) => [name, load] as const))(
  "%s is what its entry says, and its examples are its own",
  async (name, load) => {
    const command = await load();

    expect(command.name).toBe(name);
    for (const [typed] of command.examples)
      expect(typed).toMatch(new RegExp(`\\b(?:npm|tatara ${name})\\b`));
  },
);
