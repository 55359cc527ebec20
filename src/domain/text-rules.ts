import type { TextFormat } from "./pipeline-types.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** `__proto__` is one to a shell, and a trap for whatever keeps names in objects. */
const VARIABLE = /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]*$/;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/;

/**
 * Formats of texts that one expression decides, or that it at least bounds: what does not fit is
 * refused by the parser, and marked by an editor that knows the JSON Schema.
 */
export const TEXT_RULES = {
  duration: /^[0-9]{1,12}[smhd]$/,
  size: /^[0-9]{1,12}[kmgt]$/,
  source: /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
  "service-name": NAME,
  "step-name": NAME,
  "project-name": NAME,
  variable: /^[a-z][a-z0-9._-]{0,62}$/,
  "package-name": /^[A-Za-z0-9][A-Za-z0-9._+-]*$/,
  "user-name": USER,
  "group-name": USER,
  "env-name": VARIABLE,
  "secret-name": VARIABLE,
  "argument-name": VARIABLE,
  "macro-name": /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]{2,}$/,
  "option-name": /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/,
  target: /^[a-z0-9][a-z0-9-]{0,30}(?:\.[a-z0-9_]{1,20})?$/,
  version: /^(?:from-tag|[A-Za-z0-9][A-Za-z0-9._+~^]*)$/,
  release: /^[A-Za-z0-9][A-Za-z0-9._+~^]*(?:%\{\?dist\})?$/,
  mode: /^[0-7]{3,4}$/,
  "installed-path": /^\//,
} as const satisfies Partial<Record<TextFormat, RegExp>>;

/** Architectures that a package can be made for. */
export const ARCHES = [
  "x86_64",
  "aarch64",
  "noarch",
  "i686",
  "ppc64le",
  "riscv64",
  "s390x",
] as const;
