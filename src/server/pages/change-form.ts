import { changeRequest, type ChangeRequest } from "../../shared/channel-changes.ts";

/** A form's fields, or an address's, as express reads them: a name that comes twice is a list. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * The change that a form asks for; undefined when it asks for none. Fields: `kind`; `package` (any
 * number), `build` or `all`, or `what` with one of them; `from`, `to`, `channel`; `force`, `refuse`,
 * `note`.
 */
export function readChange(fields: Fields): ChangeRequest | undefined {
  const parsed = changeRequest.safeParse(wishOf(fields));
  return parsed.success ? parsed.data : undefined;
}

function wishOf(fields: Fields): object {
  const kind = text(fields, "kind");
  const note = text(fields, "note") ?? "";
  const channel = text(fields, "channel") ?? null;
  if (kind === "undo") {
    const to = text(fields, "to");
    return { kind, channel, to: to === undefined ? null : Number(to), note };
  }
  const packages = [...texts(fields, "package"), ...what(fields, "package")];
  if (kind === "yank") {
    return { kind, packages, channel, refuseDownloads: isOn(fields, "refuse"), note };
  }
  const [build] = [...texts(fields, "build"), ...what(fields, "build")];
  return {
    kind,
    packages,
    build: build ?? null,
    all: isOn(fields, "all"),
    from: text(fields, "from") ?? null,
    to: text(fields, "to"),
    force: isOn(fields, "force"),
    note,
  };
}

/** What the sheet's own form must say again, so that it asks for the same; not what people fill in. */
export function fieldsOf(request: ChangeRequest): readonly (readonly [string, string])[] {
  const kind = ["kind", request.kind] as const;
  const some = (
    name: string,
    value: string | number | null,
  ): readonly (readonly [string, string])[] => (value === null ? [] : [[name, String(value)]]);
  switch (request.kind) {
    case "promote":
      return [
        kind,
        ...request.packages.map((one) => ["package", one] as const),
        ...some("build", request.build),
        ...some("all", request.all ? "1" : null),
        ...some("from", request.from),
        ["to", request.to],
      ];
    case "undo":
      return [kind, ["channel", request.channel], ...some("to", request.to)];
    case "yank":
      return [
        kind,
        ...request.packages.map((one) => ["package", one] as const),
        ...some("channel", request.channel),
      ];
    default:
      return [kind, ["channel", request.channel]];
  }
}

/** A field that was given once and is not empty. */
export function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A field that may be given several times. */
export function texts(fields: Fields, name: string): readonly string[] {
  const value = fields[name];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((one): one is string => typeof one === "string" && one !== "");
}

/** A choice in a list has one value: `build acme/hello#45`, `package hello-1.0-1.x86_64`. */
function what(fields: Fields, kind: string): readonly string[] {
  const value = text(fields, "what");
  return value?.startsWith(`${kind} `) === true ? [value.slice(kind.length + 1)] : [];
}

function isOn(fields: Fields, name: string): boolean {
  return text(fields, name) !== undefined;
}
