import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  INSTALL_DIR,
  MALLOC_SETTINGS,
  NODE_FLAGS,
  PROCESSES,
} from "../../../src/cli/processes/process-table.ts";

const SCRIPTS = [PROCESSES.server, ...PROCESSES.workers].map(({ script }) =>
  script.slice(INSTALL_DIR.length + 1),
);

test("units and compose.yaml start each process with the flags that the supervisor gives it", () => {
  const units = globSync("scripts/systemd/*.service", { cwd: INSTALL_DIR });
  const lines = ["compose.yaml", ...units]
    .flatMap((file) => readFileSync(join(INSTALL_DIR, file), "utf8").split("\n"))
    .filter((line) => /^\s*(command:|ExecStart=)/.test(line));
  for (const script of SCRIPTS) {
    const starts = lines.filter((line) => line.includes(script));
    expect(starts, script).toHaveLength(2);
    for (const line of starts) {
      const words = line.split(/[\s,[\]]+/);
      const at = words.findIndex((word) => word.endsWith(script));
      expect(words.slice(at - NODE_FLAGS.length, at), line).toEqual([...NODE_FLAGS]);
    }
  }
});

test("units and the image set what the supervisor sets for the memory of each process", () => {
  const units = globSync("scripts/systemd/*.service", { cwd: INSTALL_DIR });
  const texts = [...units, "Dockerfile"]
    .map((file) => readFileSync(join(INSTALL_DIR, file), "utf8"))
    .filter((text) => SCRIPTS.some((script) => text.includes(script)) || text.includes("FROM "));
  expect(texts).toHaveLength(SCRIPTS.length + 1);
  for (const text of texts) {
    for (const [name, value] of Object.entries(MALLOC_SETTINGS)) {
      expect(text).toMatch(new RegExp(`^(Environment=| +)${name}=${value}( \\\\)?$`, "m"));
    }
  }
});
