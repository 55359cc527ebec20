import { describe, expect, test } from "vitest";
import { parseRpm, RpmRefused } from "../../../src/yum/rpm/read-rpm.ts";
import { checkWritable } from "../../../workers/publish/inspect-rpm.ts";
import { PLAIN, rpmBytes, text } from "../../support/rpm-bytes.ts";

const FILE = { sha256: "0".repeat(64), sizeBytes: 1, fileName: "x.rpm" };
const VERSION = 1001;
const RELEASE = 1002;

describe("a package with a NEVRA that is another one's, too", () => {
  test.each([
    ["version", VERSION],
    ["release", RELEASE],
  ])("is refused: a hyphen in its %s", (_, tag) => {
    const rpm = parseRpm(rpmBytes({ main: [...PLAIN, text(tag, "1-2")] }));

    expect(() => checkWritable(rpm, FILE)).toThrow(RpmRefused);
  });

  test("is not one with tildes, carets and dots", () => {
    const odd = [text(VERSION, "1.0~rc1^2"), text(RELEASE, "1.2.el9_4")];

    expect(() =>
      checkWritable(parseRpm(rpmBytes({ main: [...PLAIN, ...odd] })), FILE),
    ).not.toThrow();
  });
});
