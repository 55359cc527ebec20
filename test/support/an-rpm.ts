import { senseOf } from "../../src/domain/rpm-relation.ts";
import type { Relation, RelationKind, RpmPackage } from "../../src/yum/rpm/rpm-package.ts";

type Wish = Partial<Record<RelationKind | "files", readonly string[]>> & { readonly name: string };

/** A package for look-ups. Relations are written as in a spec file; a path with a slash at its end is a directory. */
export function anRpm({ name, files = [], ...relations }: Wish): RpmPackage {
  const of = (kind: RelationKind): readonly Relation[] => (relations[kind] ?? []).map(relation);
  return {
    nevra: { name, epoch: 0, version: "1.0", release: "1", arch: "noarch" },
    relations: {
      provides: of("provides"),
      requires: of("requires"),
      conflicts: of("conflicts"),
      obsoletes: of("obsoletes"),
      suggests: of("suggests"),
      enhances: of("enhances"),
      recommends: of("recommends"),
      supplements: of("supplements"),
    },
    files: files.map((path) => ({
      path: path.replace(/\/$/, ""),
      kind: path.endsWith("/") ? "dir" : "file",
      mode: path.endsWith("/") ? 0o040755 : 0o100644,
      sizeBytes: 0,
      digest: "",
      linkTarget: "",
      flags: 0,
      user: "root",
      group: "root",
      mtime: 0,
    })),
  } as Partial<RpmPackage> as RpmPackage;
}

function relation(text: string): Relation {
  const [, name = text, sign = "", evr = ""] = /^([^(].*) ([<>=]+) (\S+)$/s.exec(text) ?? [];
  return { name, evr, flags: senseOf(sign) ?? 0 } as Partial<Relation> as Relation;
}
