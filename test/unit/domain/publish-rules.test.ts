import { expect, test } from "vitest";
import {
  judgePackages,
  type CheckedChannel,
  type CheckedPackage,
  type NewestListed,
  type PublishFacts,
} from "../../../src/domain/publish-rules.ts";
import type { Nevra } from "../../../src/domain/nevra.ts";
import { isReservedName } from "../../../src/domain/reserved-names.ts";

function aPackage(
  nevra: Partial<Nevra> = {},
  capabilities: Partial<CheckedPackage> = {},
): CheckedPackage {
  return {
    nevra: { name: "hello", epoch: 0, version: "2", release: "1", arch: "x86_64", ...nevra },
    target: "el9.x86_64",
    provides: [],
    obsoletes: [],
    conflicts: [],
    ...capabilities,
  };
}

const aChannel = (some: Partial<CheckedChannel> = {}): CheckedChannel => ({
  name: "dev",
  olderVersions: "refuse",
  repos: ["*"],
  newest: () => undefined,
  ...some,
});

const newest = (some: Partial<NewestListed> = {}): CheckedChannel =>
  aChannel({
    newest: () => ({
      epoch: 0,
      version: "1",
      release: "1",
      repo: "acme/hello",
      buildNumber: 1,
      ...some,
    }),
  });

/** `owners`: name → repo. `allowed`: `rule subject`. */
function judge(
  packages: readonly CheckedPackage[],
  some: {
    readonly channel?: CheckedChannel;
    readonly owners?: Readonly<Record<string, string>>;
    readonly allowed?: readonly string[];
  } = {},
) {
  const facts: PublishFacts = {
    repo: "acme/hello",
    buildNumber: 7,
    channels: [some.channel ?? aChannel()],
    owners: new Map(Object.entries(some.owners ?? {})),
    isAllowed: (rule, subject) => some.allowed?.includes(`${rule} ${subject}`) ?? false,
  };
  const { refusals, warnings } = judgePackages(packages, facts);
  return { codes: refusals.map(({ code }) => code), refusals, warnings };
}

test("a new name, and one of the repo's own, may be published", () => {
  expect(judge([aPackage()]).codes).toEqual([]);
  expect(judge([aPackage()], { owners: { hello: "acme/hello" } }).codes).toEqual([]);
});

test("a name of another repo is refused, until an admin allows it", () => {
  const owners = { hello: "other/hello" };

  const { refusals } = judge([aPackage(), aPackage({ arch: "aarch64" })], { owners });

  expect(refusals).toHaveLength(1);
  expect(refusals[0]).toMatchObject({
    code: "PACKAGE_NAME_TAKEN",
    message: "The package name hello belongs to other/hello.",
    hint: expect.stringContaining('rule "name", package "hello", repo acme/hello'),
  });
  expect(judge([aPackage()], { owners, allowed: ["name hello"] }).codes).toEqual([]);
});

test("a reserved name is refused, but for the repo that owns it already", () => {
  const kernel = aPackage({ name: "kernel-core" });

  expect(judge([kernel]).codes).toEqual(["PACKAGE_NAME_RESERVED"]);
  expect(judge([kernel], { allowed: ["name kernel-core"] }).codes).toEqual([]);
  expect(judge([kernel], { owners: { "kernel-core": "acme/hello" } }).codes).toEqual([]);
});

test.each([
  "glibc",
  "glibc-langpack-de",
  "kernel",
  "openssl-libs",
  "bash",
  "systemd",
  "rpm",
  "dnf",
])("%s is reserved", (name) => expect(isReservedName(name)).toBe(true));

test.each(["hello", "bash-completion-acme", "acme-kernel", "rpmlint", "openssler", "systemdrill"])(
  "%s is not reserved",
  (name) => expect(isReservedName(name)).toBe(false),
);

test("providing or obsoleting a foreign or reserved name is refused, also of one architecture", () => {
  const owners = { theirs: "other/repo", hello: "acme/hello", "hello-libs": "acme/hello" };
  const capabilities = {
    provides: ["hello", "hello(x86-64)", "hello-libs", "theirs", "glibc(x86-64)", "pkgconfig(x)"],
    obsoletes: ["bash", "hello-old"],
  };

  const { refusals, codes } = judge([aPackage({}, capabilities)], { owners });

  expect(codes).toEqual(["PROVIDES_FOREIGN", "PROVIDES_FOREIGN", "OBSOLETES_FOREIGN"]);
  expect(refusals.map(({ message }) => message)).toEqual([
    "hello provides theirs, which belongs to other/repo.",
    "hello provides glibc(x86-64), a reserved name.",
    "hello obsoletes bash, a reserved name.",
  ]);
  const allowed = ["provides theirs", "provides glibc", "obsoletes bash"];
  expect(judge([aPackage({}, capabilities)], { owners, allowed }).codes).toEqual([]);
});

test("a conflict with a foreign package is told, and no reason to stop", () => {
  const owners = { theirs: "other/repo" };

  const { codes, warnings } = judge([aPackage({}, { conflicts: ["theirs", "free"] })], { owners });

  expect(codes).toEqual([]);
  expect(warnings).toEqual([
    "hello conflicts with theirs, which belongs to other/repo: no host can have both.",
  ]);
});

test("a version lower than the channel's is refused, unless setting or admin allow it", () => {
  const channel = newest({ version: "3", repo: "acme/hello", buildNumber: 6 });

  expect(judge([aPackage()], { channel }).refusals).toMatchObject([
    {
      code: "VERSION_LOWER",
      message: "hello-2-1.x86_64 is lower than 3-1, which channel dev has for el9.x86_64.",
    },
  ]);
  const lenient = { ...channel, olderVersions: "allow" } as const;
  expect(judge([aPackage()], { channel: lenient }).codes).toEqual([]);
  expect(judge([aPackage()], { channel, allowed: ["older hello"] }).codes).toEqual([]);
  expect(judge([aPackage({ version: "3" })], { channel }).codes).toEqual([]);
});

test("a newer push of the same repo that was faster is only told", () => {
  const faster = newest({ version: "3", buildNumber: 8 });
  const stranger = newest({ version: "3", buildNumber: 8, repo: "other/repo" });

  const { codes, warnings } = judge([aPackage()], { channel: faster });

  expect(codes).toEqual([]);
  expect(warnings).toMatchObject([expect.stringMatching(/build #8, of a newer push, was faster/)]);
  expect(judge([aPackage()], { channel: stranger }).codes).toEqual(["VERSION_LOWER"]);
});

test("an epoch that rises is refused once there is a version without, until an admin allows it", () => {
  const jump = aPackage({ epoch: 1, version: "0.1" });

  expect(judge([jump]).codes).toEqual([]);
  expect(judge([jump], { channel: newest() }).codes).toEqual(["EPOCH_JUMP"]);
  expect(judge([jump], { channel: newest({ epoch: 1, version: "0" }) }).codes).toEqual([]);
  expect(judge([jump], { channel: newest(), allowed: ["epoch hello"] }).codes).toEqual([]);
});

test("a channel tells which repos may publish to it", () => {
  const codes = (repos: readonly string[]) =>
    judge([aPackage()], { channel: aChannel({ repos }) }).codes;

  expect(codes(["acme/*"])).toEqual([]);
  expect(codes(["other/*"])).toEqual(["CHANNEL_FORBIDDEN"]);
  expect(codes(["*", "!acme/hello"])).toEqual(["CHANNEL_FORBIDDEN"]);
});

test("everything wrong is told at once", () => {
  const channel = { ...newest({ version: "3" }), repos: ["other/*"] };
  const bad = aPackage({ name: "bash" }, { provides: ["glibc"], obsoletes: ["rpm"] });

  expect(judge([bad], { channel }).codes).toEqual([
    "CHANNEL_FORBIDDEN",
    "PACKAGE_NAME_RESERVED",
    "PROVIDES_FOREIGN",
    "OBSOLETES_FOREIGN",
    "VERSION_LOWER",
  ]);
});
