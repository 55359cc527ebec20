import { expect, test } from "vitest";
import { runDockerKillSuite } from "../torture/docker-kill-suite.ts";

test("Docker killed and restarted mid-image and mid-step: all ends as it should, nothing is left", async () => {
  const said: string[] = [];
  const tell = (line: string) => void said.push(line);

  const outcome = await runDockerKillSuite({ seed: 5, count: 3, keep: false, tell });

  expect(outcome, said.join("\n")).toMatchObject({ kills: 3, violations: [] });
  expect(outcome.accepted).toBeGreaterThan(3);
});
