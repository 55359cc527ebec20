import type { Nevra } from "../../domain/nevra.ts";

/** What an RPM says about itself. Texts are Unicode; nothing in them has been checked for XML. */
export interface RpmPackage {
  /** The architecture is `src` or `nosrc` for a source package. */
  readonly nevra: Nevra;
  readonly summary: string;
  readonly description: string;
  readonly license: string;
  readonly vendor: string;
  readonly packager: string;
  readonly url: string;
  readonly group: string;
  readonly buildHost: string;
  /** Empty for a source package. */
  readonly sourceRpm: string;
  /** Seconds since the epoch, as all times in an RPM. */
  readonly buildTime: number;
  readonly installedBytes: number;
  /** The payload's size before compression. */
  readonly archiveBytes: number;
  /** The main header's byte range in the file; the payload begins at its end. */
  readonly headerStart: number;
  readonly headerEnd: number;
  readonly relations: Readonly<Record<RelationKind, readonly Relation[]>>;
  readonly files: readonly RpmFileEntry[];
  /** All of it, newest first. */
  readonly changelog: readonly ChangelogEntry[];
  readonly scripts: readonly Script[];
  readonly signatures: readonly RpmSignature[];
  readonly payload: Payload;
}

export type RelationKind =
  | "provides"
  | "requires"
  | "conflicts"
  | "obsoletes"
  | "suggests"
  | "enhances"
  | "recommends"
  | "supplements";

export interface Relation {
  readonly name: string;
  /** `[epoch:]version[-release]` as it is in the header; empty if any version will do. */
  readonly evr: string;
  readonly comparison: "" | "LT" | "GT" | "EQ" | "LE" | "GE";
  /** `0` where there is a version without an epoch; undefined too where the epoch is no number. */
  readonly epoch: string | undefined;
  readonly version: string | undefined;
  readonly release: string | undefined;
  /** Needed before the package's own scripts run. */
  readonly isPre: boolean;
  /** The sense bits as they are in the header (`RPMSENSE_…`). */
  readonly flags: number;
}

export interface RpmFileEntry {
  /** Absolute, except in a source package. */
  readonly path: string;
  readonly kind: "file" | "dir" | "ghost";
  readonly mode: number;
  readonly sizeBytes: number;
  /** Hexadecimal; empty for what is not a regular file. */
  readonly digest: string;
  readonly linkTarget: string;
  /** `RPMFILE_…`: config, doc, ghost and so on. */
  readonly flags: number;
  readonly user: string;
  readonly group: string;
  readonly mtime: number;
}

export interface ChangelogEntry {
  readonly author: string;
  readonly time: number;
  readonly text: string;
}

export type ScriptKind =
  | "pre"
  | "post"
  | "preun"
  | "postun"
  | "pretrans"
  | "posttrans"
  | "preuntrans"
  | "postuntrans"
  | "verify"
  | TriggerKind
  | `file${TriggerKind}`
  | `transfile${TriggerKind}`;

export type TriggerKind = "triggerin" | "triggerun" | "triggerpostun" | "triggerprein";

export interface Script {
  readonly kind: ScriptKind;
  /** With its arguments, e.g. `/bin/sh` or `<lua>`. */
  readonly interpreter: string;
  /** Empty where the interpreter is all there is, e.g. `%post -p /sbin/ldconfig`. */
  readonly text: string;
}

export interface RpmSignature {
  readonly tag: number;
  /** Sixteen hexadecimal digits; undefined if the packet does not say who made it. */
  readonly keyId: string | undefined;
  /** The OpenPGP packet. */
  readonly bytes: Buffer;
}

export interface Payload {
  /** `cpio`, usually. */
  readonly format: string;
  readonly compressor: string;
  readonly digestAlgorithm: DigestAlgorithm | undefined;
  /** Of the compressed payload, hexadecimal. */
  readonly digest: string | undefined;
}

export type DigestAlgorithm = "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512";
