import { describe, expect, test } from "vitest";
import {
  namesMeantBy,
  versionsMeantBy,
  workOut,
  type ListedVersion,
} from "../../../src/domain/channel-changes.ts";
import { formatNevra } from "../../../src/domain/nevra.ts";

function listed(nevr: string, options: Partial<ListedVersion> = {}): ListedVersion {
  const [, name = "", epoch = "0", version = "", release = ""] =
    /^(.+)-(?:(\d+):)?([^-]+)-([^-]+)$/.exec(nevr) ?? [];
  const row = { name, epoch: Number(epoch), version, release, arch: options.arch ?? "x86_64" };
  return { target: "el9.x86_64", ...row, nevra: formatNevra(row), ...options };
}

const nevras = (rows: readonly ListedVersion[]): readonly string[] =>
  rows.map(({ target, nevra }) => `${target} ${nevra}`);

describe("what a person means", () => {
  test("every split at a dash may be the name", () => {
    expect(namesMeantBy("hello-libs-1.0-1.el9.x86_64.rpm")).toEqual([
      "hello-libs-1.0-1.el9.x86_64",
      "hello-libs-1.0",
      "hello-libs",
    ]);
    expect(namesMeantBy("hello")).toEqual(["hello"]);
    expect(namesMeantBy("-x")).toEqual(["-x"]);
  });

  test("a name is its newest version, in each target and architecture", () => {
    const rows = [
      listed("hello-1.9-1.el9"),
      listed("hello-1.10-1.el9"),
      listed("hello-1.9-1.el8", { target: "el8.x86_64" }),
      listed("hello-1.2-1.el9", { arch: "i686" }),
    ];

    expect(nevras(versionsMeantBy("hello", rows))).toEqual([
      "el9.x86_64 hello-1.10-1.el9.x86_64",
      "el8.x86_64 hello-1.9-1.el8.x86_64",
      "el9.x86_64 hello-1.2-1.el9.i686",
    ]);
  });

  test("a release without the target's own ending means the one with it", () => {
    const rows = [
      listed("hello-1.4.0-1.el9"),
      listed("hello-1.4.0-1.56.gabc.el9"),
      listed("hello-1.4.0-1.fc43", { target: "fedora-43.x86_64" }),
      listed("hello-1.4.0-1.el9", { target: "el9.x86_64-source", arch: "src" }),
    ];

    expect(nevras(versionsMeantBy("hello-1.4.0-1", rows))).toEqual([
      "el9.x86_64 hello-1.4.0-1.el9.x86_64",
      "fedora-43.x86_64 hello-1.4.0-1.fc43.x86_64",
      "el9.x86_64-source hello-1.4.0-1.el9.src",
    ]);
  });

  test("a version is its newest release; what is spelled out most wins", () => {
    const rows = [listed("gtk-2-1"), listed("gtk-2-2"), listed("gtk-2-5-1")];

    expect(nevras(versionsMeantBy("gtk-2", rows))).toEqual(["el9.x86_64 gtk-2-5-1.x86_64"]);
    expect(nevras(versionsMeantBy("gtk-2-2", rows))).toEqual(["el9.x86_64 gtk-2-2.x86_64"]);
    expect(nevras(versionsMeantBy("gtk-2", rows.slice(0, 2)))).toEqual([
      "el9.x86_64 gtk-2-2.x86_64",
    ]);
  });

  test("an epoch may be left out, as file names do", () => {
    const rows = [listed("hello-2:1.0-1")];

    for (const wish of [
      "hello-2:1.0-1.x86_64",
      "hello-1.0-1.x86_64.rpm",
      "hello-2:1.0-1",
      "hello-1.0-1",
      "hello-2:1.0",
      "hello-1.0",
    ]) {
      expect(versionsMeantBy(wish, rows), wish).toHaveLength(1);
    }
    expect(versionsMeantBy("hello-1:1.0-1.x86_64", rows)).toEqual([]);
    expect(versionsMeantBy("hello-0:1.0", rows)).toEqual([]);
  });
});

describe("what a change means for hosts", () => {
  const channel = "stable";

  test("a newer version replaces the newest that is there", () => {
    const before = [
      listed("hello-1.0-1"),
      listed("hello-0.9-1"),
      listed("hello-3-1", { arch: "i686" }),
    ];

    expect(workOut({ channel, before, add: [listed("hello-1.1-1")], remove: [] })).toEqual({
      add: [
        {
          target: "el9.x86_64",
          nevra: "hello-1.1-1.x86_64",
          replaces: "hello-1.0-1.x86_64",
          leaves: "hello-1.1-1.x86_64",
        },
      ],
      remove: [],
      warnings: [],
    });
  });

  test("what is there already is not added, and what is not there is not removed", () => {
    const before = [listed("hello-1.0-1")];

    expect(workOut({ channel, before, add: before, remove: [listed("hello-2.0-1")] })).toEqual({
      add: [],
      remove: [],
      warnings: [],
    });
  });

  test("an older version is told, and replaces nothing", () => {
    const { add, warnings } = workOut({
      channel,
      before: [listed("hello-2.0-1")],
      add: [listed("hello-1.0-1")],
      remove: [],
    });

    expect(add).toMatchObject([{ replaces: null, leaves: "hello-2.0-1.x86_64" }]);
    expect(warnings).toEqual([
      "hello-1.0-1.x86_64 is older than hello-2.0-1.x86_64 in stable: hosts will not move to it by themselves.",
    ]);
  });

  test("a raised epoch is told", () => {
    const { warnings } = workOut({
      channel,
      before: [listed("hello-2.0-1")],
      add: [listed("hello-1:1.0-1")],
      remove: [],
    });

    expect(warnings).toEqual([
      "hello-1:1.0-1.x86_64 raises the epoch of hello-2.0-1.x86_64 in stable: later versions need it for ever.",
    ]);
  });

  test("removing the newest leaves the one before, and hosts that have it are told of", () => {
    const old = listed("hello-1.0-1");
    const { remove, warnings } = workOut({
      channel,
      before: [old, listed("hello-2.0-1")],
      add: [],
      remove: [listed("hello-2.0-1")],
    });

    expect(remove).toEqual([
      {
        target: "el9.x86_64",
        nevra: "hello-2.0-1.x86_64",
        replaces: null,
        leaves: "hello-1.0-1.x86_64",
      },
    ]);
    expect(warnings).toEqual([
      "Hosts that have hello-2.0-1.x86_64 from stable keep it until `dnf distro-sync` or `dnf downgrade hello`.",
    ]);
  });

  test("removing an old version is nobody's business", () => {
    const { remove, warnings } = workOut({
      channel,
      before: [listed("hello-1.0-1"), listed("hello-2.0-1")],
      add: [],
      remove: [listed("hello-1.0-1")],
    });

    expect(remove).toMatchObject([{ replaces: null, leaves: "hello-2.0-1.x86_64" }]);
    expect(warnings).toEqual([]);
  });
});
