import { senseOf } from "./rpm-relation.ts";
import type { RpmRelation } from "./rpm-relation.ts";

/** A rich (boolean) dependency, such as `(a or (b if c else d))`. */
export type RichDependency =
  | { readonly op: "leaf"; readonly relation: RpmRelation }
  | {
      readonly op: "and" | "or" | "with" | "without";
      readonly left: RichDependency;
      readonly right: RichDependency;
    }
  | {
      readonly op: "if" | "unless";
      readonly left: RichDependency;
      readonly right: RichDependency;
      readonly otherwise: RichDependency | undefined;
    };

/** Who provides a relation, as far as it is known. */
export interface Providers {
  /** Any key that tells packages apart. */
  readonly packages: ReadonlySet<string>;
  /** There may be providers that nobody told us of. */
  readonly isOpen: boolean;
}

const DEPTH_MAX = 32;
const TEXT_MAX = 16_384;
const OPERATORS = new Set(["and", "or", "if", "unless", "with", "without"]);

/** Undefined for what is not one, is nested too deep, or has an operator that we do not know. */
export function parseRich(text: string): RichDependency | undefined {
  if (text.length > TEXT_MAX) return undefined;
  const words = wordsOf(text);
  let at = 0;
  const parsed = group(0);
  return at === words.length ? parsed : undefined;

  /** `( operand [operator operand]… )`; all operators of one group are the same, but for `else`. */
  function group(depth: number): RichDependency | undefined {
    if (words[at] !== "(" || depth > DEPTH_MAX) return undefined;
    at++;
    let left = operand(depth);
    const first = words[at];
    while (left !== undefined && words[at] !== ")") {
      if (words[at] !== first) return undefined;
      left = joined(left, words[at++] ?? "", depth);
    }
    at++;
    return left;
  }

  function joined(left: RichDependency, op: string, depth: number): RichDependency | undefined {
    if (!OPERATORS.has(op)) return undefined;
    const right = operand(depth);
    if (right === undefined) return undefined;
    if (op !== "if" && op !== "unless")
      return { op: op as "and" | "or" | "with" | "without", left, right };
    if (words[at] !== "else") {
      return words[at] === ")" ? { op, left, right, otherwise: undefined } : undefined;
    }
    at++;
    const otherwise = operand(depth);
    return otherwise && words[at] === ")" ? { op, left, right, otherwise } : undefined;
  }

  function operand(depth: number): RichDependency | undefined {
    if (words[at] === "(") return group(depth + 1);
    const name = words[at++];
    if (name === undefined || name === ")") return undefined;
    const flags = senseOf(words[at] ?? "");
    if (flags === undefined) return { op: "leaf", relation: { name, flags: 0, evr: "" } };
    const evr = words[at + 1];
    at += 2;
    return evr === undefined ? undefined : { op: "leaf", relation: { name, flags, evr } };
  }
}

/** A parenthesis inside a word belongs to it, as in `perl(Foo)` or `libc.so.6()(64bit)`. */
function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length;) {
    const character = text[at] ?? "";
    if (/\s/.test(character)) at++;
    else if (character === "(" || character === ")") {
      words.push(character);
      at++;
    } else {
      const end = wordEnd(text, at);
      words.push(text.slice(at, end));
      at = end;
    }
  }
  return words;
}

function wordEnd(text: string, start: number): number {
  let open = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at] ?? "";
    if (/\s/.test(character)) return at;
    if (character === "(") open++;
    if (character === ")" && open-- === 0) return at;
  }
  return text.length;
}

/**
 * The plain relations in it. `needsAll` says that one provider does not do: the operators `with` and
 * `without` compare sets of packages.
 */
export function leavesOf(
  rich: RichDependency,
  needsAll = false,
): readonly { readonly relation: RpmRelation; readonly needsAll: boolean }[] {
  if (rich.op === "leaf") return [{ relation: rich.relation, needsAll }];
  const all = needsAll || rich.op === "with" || rich.op === "without";
  const otherwise = rich.op === "if" || rich.op === "unless" ? rich.otherwise : undefined;
  const parts = [rich.left, rich.right, ...(otherwise === undefined ? [] : [otherwise])];
  return parts.flatMap((part) => leavesOf(part, all));
}

/**
 * Can it hold on a host that may install whatever is provided? `self` is the key of the package that
 * says it: what that package provides is there for certain.
 */
export function canHold(
  rich: RichDependency,
  { providersOf, self }: { providersOf(relation: RpmRelation): Providers; self: string },
): boolean {
  return chances(rich).canBeTrue;

  function chances(part: RichDependency): Chances {
    if (part.op === "leaf" || part.op === "with" || part.op === "without")
      return chancesOf(providers(part), self);
    const left = chances(part.left);
    const right = chances(part.right);
    // rpm: A IF B ELSE C = (A OR NOT B) AND (C OR B); A UNLESS B ELSE C = (A AND NOT B) OR (C AND B).
    if (part.op === "if" || part.op === "unless") {
      const otherwise = part.otherwise && chances(part.otherwise);
      return part.op === "if"
        ? either(both(left, right), both(not(right), otherwise ?? CERTAIN))
        : either(both(left, not(right)), both(otherwise ?? IMPOSSIBLE, right));
    }
    return part.op === "and" ? both(left, right) : either(left, right);
  }

  /** rpm allows sets of packages to be made of `or`, `with` and `without` only. */
  function providers(part: RichDependency): Providers {
    if (part.op === "leaf") return providersOf(part.relation);
    if (part.op === "or") return union(providers(part.left), providers(part.right));
    if (part.op === "with") return intersection(providers(part.left), providers(part.right));
    if (part.op === "without") return difference(providers(part.left), providers(part.right));
    return { packages: new Set(), isOpen: true };
  }
}

interface Chances {
  readonly canBeTrue: boolean;
  readonly canBeFalse: boolean;
}

const CERTAIN: Chances = { canBeTrue: true, canBeFalse: false };
const IMPOSSIBLE: Chances = { canBeTrue: false, canBeFalse: true };

function chancesOf({ packages, isOpen }: Providers, self: string): Chances {
  return { canBeTrue: packages.size > 0 || isOpen, canBeFalse: !packages.has(self) };
}

function both(a: Chances, b: Chances): Chances {
  return {
    canBeTrue: a.canBeTrue && b.canBeTrue,
    canBeFalse: a.canBeFalse || b.canBeFalse,
  };
}

function either(a: Chances, b: Chances): Chances {
  return not(both(not(a), not(b)));
}

function not({ canBeTrue, canBeFalse }: Chances): Chances {
  return { canBeTrue: canBeFalse, canBeFalse: canBeTrue };
}

function union(a: Providers, b: Providers): Providers {
  return {
    packages: new Set([...a.packages, ...b.packages]),
    isOpen: a.isOpen || b.isOpen,
  };
}

function intersection(a: Providers, b: Providers): Providers {
  const isAny = (side: Providers): boolean => side.isOpen || side.packages.size > 0;
  return {
    packages: new Set([...a.packages].filter((each) => b.packages.has(each))),
    isOpen: (a.isOpen && isAny(b)) || (b.isOpen && isAny(a)),
  };
}

function difference(a: Providers, b: Providers): Providers {
  return {
    packages: new Set([...a.packages].filter((each) => !b.packages.has(each))),
    isOpen: a.isOpen,
  };
}
