import { formatNevra } from "../../domain/nevra.ts";
import type { Nevra } from "../../domain/nevra.ts";
import { relationsMeet } from "../../domain/rpm-relation.ts";
import type { RpmRelation } from "../../domain/rpm-relation.ts";
import type { RpmFileEntry, RpmPackage } from "../rpm/rpm-package.ts";

/** What of a package decides whether it can be installed beside others. */
export interface PackageFacts {
  /** As `formatNevra` writes it. */
  readonly nevra: string;
  readonly id: Nevra;
  readonly provides: readonly RpmRelation[];
  readonly requires: readonly RpmRelation[];
  readonly conflicts: readonly RpmRelation[];
  readonly obsoletes: readonly RpmRelation[];
  readonly files: ReadonlyMap<string, RpmFileEntry>;
}

export function factsOf({ nevra, relations, files }: RpmPackage): PackageFacts {
  return {
    nevra: formatNevra(nevra),
    id: nevra,
    provides: relations.provides,
    requires: relations.requires,
    conflicts: relations.conflicts,
    obsoletes: relations.obsoletes,
    files: new Map(files.map((file) => [file.path, file])),
  };
}

/** About how much memory they take. */
export function weightOf({
  provides,
  requires,
  conflicts,
  obsoletes,
  files,
}: PackageFacts): number {
  const relations = provides.length + requires.length + conflicts.length + obsoletes.length;
  return 1_024 + relations * 256 + files.size * 512;
}

/** By a Provides, or by a file if the relation is a path. */
export function satisfies({ provides, files }: PackageFacts, relation: RpmRelation): boolean {
  if (relation.name.startsWith("/") && files.has(relation.name)) return true;
  return provides.some((provided) => relationsMeet(provided, relation));
}

/** Does it provide that name in any version? */
export function hasName({ provides, files }: PackageFacts, name: string): boolean {
  return provides.some((provided) => provided.name === name) || files.has(name);
}
