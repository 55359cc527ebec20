import { expect, test } from "vitest";
import { adaptSpec } from "../../../src/domain/adapt-spec.ts";
import type { FilesSource } from "../../../src/domain/pipeline.ts";
import { writeSpec } from "../../../src/domain/spec-file.ts";
import type { InstalledFile, SpecFacts } from "../../../src/domain/spec-file.ts";
import { specBlock, specLine, specPath } from "../../../src/domain/spec-text.ts";
import { ownedParents } from "../../../src/domain/system-folders.ts";

const RULE = {
  config: "no",
  owner: "root",
  group: "root",
  isDoc: false,
  isLicense: false,
} as const;
const UNIT: InstalledFile = {
  path: "/usr/lib/systemd/system/hello.service",
  kind: "file",
  mode: "0644",
  rule: RULE,
};
const TIMER = { ...UNIT, path: "/usr/lib/systemd/system/hello.timer" };

const SOURCE: Omit<FilesSource, "files" | "scripts"> = {
  kind: "files",
  name: "hello",
  summary: "Says hello",
  license: "MIT",
  description: "",
  url: null,
  vendor: null,
  requires: [],
  recommends: [],
  provides: [],
  conflicts: [],
  obsoletes: [],
  users: [],
  sourceRpm: true,
  debuginfo: false,
};

function spec(changes: Partial<SpecFacts> = {}): string {
  return writeSpec({
    source: SOURCE,
    scripts: {},
    files: [UNIT],
    version: "1.4.0",
    release: "1%{?dist}",
    target: "el9.x86_64",
    isNoarch: false,
    changes: {
      subjects: ["First", "Zero %files"],
      authorName: "Mona",
      committedAtSeconds: 1_790_000_000,
    },
    ...changes,
  });
}

test("a unit brings systemd's macros, and a restart by an upgrade for the service alone", () => {
  const text = spec({ files: [UNIT, TIMER] });

  expect(text).toContain("BuildRequires: systemd-rpm-macros");
  expect(text).toContain("%post\n%systemd_post hello.service hello.timer");
  expect(text).toContain(
    "%postun\n%systemd_postun_with_restart hello.service\n%systemd_postun hello.timer",
  );
});

test("where there are no macros the same is said in commands", () => {
  const text = spec({ target: "debian12.x86_64" });

  expect(text).not.toMatch(/%systemd|systemd-rpm-macros/);
  expect(text).toContain("systemctl try-restart hello.service");
});

test("users are added by a scriptlet only where rpm does not add them itself", () => {
  const user = { name: "hello", description: "It's me", home: null, groups: ["audio"] };
  const source = { ...SOURCE, users: [user] };

  expect(spec({ source })).toContain("getent group audio > /dev/null || groupadd -r audio");
  expect(spec({ source })).toContain("-c 'It'\\''s me' hello");
  expect(spec({ source, target: "el10.x86_64" })).not.toContain("useradd");
});

test("the package's own scripts come after ours, in a shell of their own", () => {
  const text = spec({ scripts: { "post-install": "#!/bin/sh\nexit 0\n" } });

  expect(text).toContain("%post\n%systemd_post hello.service\n(\nexit 0\n)\n");
});

test("a script for bash runs in bash", () => {
  const text = spec({ scripts: { "post-install": "#!/bin/bash\n[[ -e /x ]] || :\n" } });

  expect(text).toContain("%post -p /bin/bash\n");
});

test("the changelog is one entry of the commit's day", () => {
  expect(spec()).toContain(
    "%changelog\n* Mon Sep 21 2026 Mona - 1.4.0-1\n- First\n- Zero %%files\n",
  );
});

test("text of a person is only text", () => {
  expect(specLine("50% off\nNow")).toBe("50%% off Now");
  expect(specBlock("a\n  %if 1\n%package x\nb")).toBe("a %%if 1 %%package x\nb");
  expect(specBlock("%files")).toBe("… %%files");
  expect(specPath('/usr/share/a "b"*')).toBe('"/usr/share/a \\"b\\"\\*"');
});

test("folders of the system are nobody's", () => {
  expect(ownedParents("/etc/hello/conf.d/a.toml")).toEqual(["/etc/hello", "/etc/hello/conf.d"]);
  expect(ownedParents("/usr/share/man/man1/hello.1")).toEqual([]);
});

test("version and release of the main package are changed, and nothing else", () => {
  const text = "Name: a\nversion:   1\nRelease: 3\n%package b\nVersion: 9\n";

  expect(adaptSpec(text, { version: "2", release: "1%{?dist}" })).toEqual({
    text: "Name: a\nversion:   2\nRelease: 1%{?dist}\n%package b\nVersion: 9\n",
    diff: [
      "@@ line 2 @@",
      "-version:   1",
      "+version:   2",
      "@@ line 3 @@",
      "-Release: 3",
      "+Release: 1%{?dist}",
    ],
    missing: [],
  });
  expect(adaptSpec("%include x\n", { version: "2", release: null }).missing).toEqual(["Version"]);
});
