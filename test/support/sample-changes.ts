import type { ChangePlan, ChangeResult } from "../../src/shared/channel-changes.ts";
import type { PackageDetails } from "../../src/server/changes/package-details.ts";

export function aPlan(some: Partial<ChangePlan> = {}): ChangePlan {
  return {
    kind: "promote",
    title: "3 packages: dev → stable",
    channels: [{ name: "stable", head: 31 }],
    add: [
      {
        channel: "stable",
        target: "el9.x86_64",
        nevra: "hello-1.4.0-1.57.g3f2a9c1.el9.x86_64",
        replaces: "hello-1.3.2-1.el9.x86_64",
        leaves: "hello-1.4.0-1.57.g3f2a9c1.el9.x86_64",
      },
      {
        channel: "stable",
        target: "el9.x86_64",
        nevra: "hello-libs-1.4.0-1.57.g3f2a9c1.el9.x86_64",
        replaces: null,
        leaves: "hello-libs-1.4.0-1.57.g3f2a9c1.el9.x86_64",
      },
      {
        channel: "stable",
        target: "el9.x86_64-source",
        nevra: "hello-1.4.0-1.57.g3f2a9c1.el9.src",
        replaces: null,
        leaves: "hello-1.4.0-1.57.g3f2a9c1.el9.src",
      },
    ],
    remove: [],
    problems: [],
    warnings: [],
    confirm: "stable",
    ...some,
  };
}

export function aResult(
  some: Partial<ChangeResult> = {},
): ChangeResult & { readonly publishId: string } {
  return {
    publishId: "p-done",
    state: "live",
    generations: [{ channel: "stable", number: 32 }],
    durationMs: 48,
    reason: null,
    report: [],
    ...some,
  } as ChangeResult & { readonly publishId: string };
}

/** What an RPM with something of everything says about itself. */
export function someDetails(some: Partial<PackageDetails> = {}): PackageDetails {
  return {
    description: "hello greets whoever asks, in the language of the asker.\nIt has no options.",
    url: "https://example.com/hello",
    vendor: "Acme",
    group: "Unspecified",
    sourceRpm: "hello-1.4.0-1.57.g3f2a9c1.el9.src.rpm",
    buildTime: Date.parse("2026-11-21T19:20:00Z"),
    installedBytes: 48_912,
    relations: {
      requires: ["glibc >= 2.34", "hello-libs = 1.4.0-1.57.g3f2a9c1.el9", "libc.so.6()(64bit)"],
      provides: ["hello = 1.4.0-1.57.g3f2a9c1.el9", "hello(x86-64) = 1.4.0-1.57.g3f2a9c1.el9"],
      conflicts: [],
      obsoletes: ["greeter < 1.0"],
      suggests: [],
      enhances: [],
      recommends: ["hello-doc"],
      supplements: [],
    },
    files: [
      file("/usr/bin/hello", 18_200),
      { ...file("/etc/hello.conf", 120), mode: "0640", group: "hello" },
      { ...file("/usr/share/doc/hello", 0), kind: "dir", mode: "0755" },
      { ...file("/usr/lib64/libhello.so", 0), linkTarget: "libhello.so.1" },
    ],
    fileCount: 412,
    scripts: [{ kind: "post", interpreter: "/bin/sh", text: "systemctl try-restart hello\n" }],
    changelog: [
      {
        author: "Ada Example <ada@example.com> - 1.4.0-1",
        at: Date.parse("2026-11-20T12:00:00Z"),
        text: "- Accept an empty name",
      },
    ],
    signedBy: ["d9e37a5510cc77b3"],
    ...some,
  };
}

function file(path: string, sizeBytes: number): PackageDetails["files"][number] {
  return {
    path,
    kind: "file",
    mode: "0755",
    sizeBytes,
    linkTarget: "",
    user: "root",
    group: "root",
  };
}
