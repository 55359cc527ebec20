import { expect, test } from "vitest";
import { readTrace } from "../torture/disk-faults/calls.ts";
import { patternOf, placeOf } from "../torture/disk-faults/places.ts";

const HASH = "1f7a7a47".repeat(8);
const OTHER = "0123abcd".repeat(8);

test.each([
  [
    "logs/b-er2fyxsg9yk2/j-dvb1bqb8mec5/1/unit.log",
    "logs/b-000000000001/j-a00000000002/12/checkout.log",
    "logs/I/I/N/S.log",
  ],
  [`artifacts/1f/${HASH}`, `artifacts/01/${OTHER}`, "artifacts/H/H"],
  [
    `yum/pool/1f/${HASH}/tiny-1.0-1.noarch.rpm`,
    `yum/pool/01/${OTHER}/tiny-1.2-3.el9.noarch.rpm`,
    "yum/pool/H/H/P.rpm",
  ],
  [
    "git/disk/tiny.git/./objects/tmp_objdir-incoming-aB3dE6/4f/tmp_obj_xY12zW",
    "git/disk/tiny.git/./objects/tmp_objdir-incoming-Zz9999/00/tmp_obj_000000",
    "git/disk/tiny.git/./objects/tmp_objdir-incoming/H/tmp_obj",
  ],
  [
    "yum/staging/turn-p-3jg6405bx5zh/dev/debian12.x86_64-source/repodata/primary.ends",
    "yum/staging/turn-p-000000000000/dev/el9.x86_64/repodata/other.ends",
    "yum/staging/turn-I/dev/T/repodata/D.ends",
  ],
])("%s and %s are one place", (path, other, place) => {
  expect([placeOf(path), placeOf(other)]).toEqual([place, place]);
  const pattern = new RegExp(`^${patternOf(path)}$`);
  expect([path, other].filter((one) => pattern.test(one))).toEqual([path, other]);
  expect(pattern.test(`${other}/more`)).toBe(false);
});

test("a trace tells what git names from the folder that it works in", () => {
  const trace = [
    '7 chdir("/data/git/a.git") = 0',
    '8 mkdir("./objects/4f", 0777 <unfinished ...>',
    '7 openat(AT_FDCWD</data/git/a.git>, "/data/git/a.git/HEAD", O_RDONLY) = 3</data/git/a.git/HEAD>',
    "8 <... mkdir resumed>) = -1 ENOSPC (No space left on device) (INJECTED)",
    '8 link("./objects/t/x", "./objects/4f/x") = 0',
    '8 write(5</elsewhere/x>, ""..., 3) = 3',
  ].join("\n");

  expect(readTrace(trace, "/data")).toEqual([
    { call: "mkdir", path: "git/a.git/./objects/4f", isInjected: true, error: "ENOSPC" },
    { call: "link", path: "git/a.git/./objects/4f/x", isInjected: false, error: "" },
  ]);
});
