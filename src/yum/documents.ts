import type { DocumentName } from "./layout.ts";

export const XML = '<?xml version="1.0" encoding="UTF-8"?>';
export const LINUX = "http://linux.duke.edu/metadata";
const ROOTS = {
  primary: { tag: "metadata", names: `xmlns="${LINUX}/common" xmlns:rpm="${LINUX}/rpm"` },
  filelists: { tag: "filelists", names: `xmlns="${LINUX}/filelists"` },
  other: { tag: "otherdata", names: `xmlns="${LINUX}/other"` },
} as const satisfies Record<DocumentName, { tag: string; names: string }>;

/** What stands before the first package. One reader fails without the count, so it is exact. */
export function headText(document: DocumentName, packages: number): string {
  const { tag, names } = ROOTS[document];
  return `${XML}\n<${tag} ${names} packages="${packages}">\n`;
}

/** What stands after the last package. */
export function footText(document: DocumentName): string {
  return `</${ROOTS[document].tag}>\n`;
}

const PACKAGE_END = "</package>\n";

/**
 * A member's packages, in their order; together they are the whole text. All text in it is escaped,
 * so tags are only tags. Works on bytes, since a member may be longer than a string is worth.
 */
export function splitPackages(open: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let from = 0; from < open.length;) {
    const end = open.indexOf(PACKAGE_END, from);
    if (end === -1) throw new Error("The segment's text does not end with a package.");
    found.push(open.subarray(from, end + PACKAGE_END.length));
    from = end + PACKAGE_END.length;
  }
  return found;
}
