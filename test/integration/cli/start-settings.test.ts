import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { PROCESSES } from "../../../src/cli/processes/process-table.ts";

const run = promisify(execFile);
const UNKNOWN = {
  level: "warn",
  message: "A setting is not known and has no effect",
  setting: "TATARA_KEEP_BUILD_DAYS",
  didYouMean: "TATARA_KEEP_BUILDS_DAYS",
};

test.each([PROCESSES.server, ...PROCESSES.workers])(
  "started alone, $name tells names that no process reads, and what it needs, without a stack",
  async ({ name, script }) => {
    // Another process of the same file reads these; the rest is not there, so it ends.
    const known = { TATARA_GITHUB_URL: "http://x", TATARA_STORED_MIB: "64", TATARA_IMAGE: "x" };
    const env = { PATH: process.env["PATH"], ...known, TATARA_KEEP_BUILD_DAYS: "9" };

    const ended = run(process.execPath, [script], { env });

    const { code, stderr } = (await ended.catch((err: unknown) => err)) as {
      code: number;
      stderr: string;
    };
    const [first = "", ...others] = stderr.split("\n");
    expect(JSON.parse(first)).toMatchObject({ ...UNKNOWN, process: name });
    expect(others[0]).toBe("Settings cannot be used:");
    expect(others.slice(1, -1).filter((line) => !/^ {2}TATARA_\w+ is not set/.test(line))).toEqual(
      [],
    );
    expect(code).toBe(2);
  },
);
