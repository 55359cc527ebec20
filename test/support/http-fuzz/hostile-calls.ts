import fc from "fast-check";
import { CALLERS, type Caller } from "../authorisation/callers.ts";
import { ROUTES, type RouteRule } from "../authorisation/route-table.ts";
import { HOSTILE_PARTS, HOSTILE_PATHS, HOSTILE_TEXTS, HOSTILE_VALUES } from "./hostile.ts";
import { BODY_OF, FORM_FIELDS, QUERY_NAMES, WORDS } from "./known-words.ts";
import { spoil, spoiling, valuesOf } from "./schema-values.ts";

/** A call that is drawn; the names in its path and its credentials are filled in when it is made. */
export interface HostileCall {
  readonly method: string;
  readonly pattern: string;
  readonly rule: RouteRule;
  /** Undefined: whoever the route is for. */
  readonly caller: Caller | undefined;
  /** Name in the path → how it is written there; the others are those of a thing that exists. */
  readonly parts: readonly (string | undefined)[];
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

export function hostileCalls(): fc.Arbitrary<HostileCall> {
  const ofRoutes = Object.entries(ROUTES).map(([route, rule]) => {
    const [method = "", pattern = ""] = route.split(" ");
    const arbitrary = fc.record({
      method: mostly(fc.constant(method), fc.constantFrom("HEAD", "OPTIONS", "POST", "PUT"), 30),
      pattern: fc.constant(pattern),
      rule: fc.constant(rule),
      caller: mostly(fc.constant(undefined), fc.constantFrom(...CALLERS), 12),
      parts: fc.array(mostly(fc.constant(undefined), somePart, 6), { minLength: 6, maxLength: 6 }),
      query: mostly(fc.constant(rule.query ?? ""), someQuery, 3),
      headers: someHeaders,
      body: method === "GET" ? fc.constant(undefined) : bodyOf(route),
    });
    // What reads a body has more to go wrong.
    return { weight: BODY_OF[route] === undefined ? 1 : 4, arbitrary };
  });
  return fc.oneof({ weight: 40, arbitrary: fc.oneof(...ofRoutes) }, nowhere);
}

const NOBODYS: RouteRule = { door: "open", answer: 404 };
const GET_PATHS = HOSTILE_PATHS.map((path) => path.replaceAll(":", "%3A"));

const nowhere: fc.Arbitrary<HostileCall> = fc.record({
  method: fc.constantFrom("GET", "POST", "DELETE"),
  // What stands for itself has no names to fill in.
  pattern: fc.constantFrom(...GET_PATHS),
  rule: fc.constant(NOBODYS),
  caller: fc.constantFrom<Caller>("nobody", "admin"),
  parts: fc.constant([]),
  query: fc.constant(""),
  headers: fc.constant({}),
  body: fc.constant(undefined),
});

const somePart = fc.oneof(
  fc.constantFrom(...HOSTILE_PARTS),
  fc.constantFrom(...WORDS.map(encodeURIComponent)),
  fc.constantFrom(...HOSTILE_TEXTS.filter(isWhole).map(encodeURIComponent)),
);

const queryValue = fc.oneof(
  fc.constantFrom(...HOSTILE_PARTS),
  fc.constantFrom(...[...WORDS, ...HOSTILE_TEXTS].filter(isWhole).map(encodeURIComponent)),
);

const someQuery = fc
  .array(
    fc.tuple(
      fc.constantFrom(...QUERY_NAMES, "__proto__", "limit[]", "a[b][c]", "%00"),
      fc.constantFrom("=", "=", "="),
      queryValue,
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((pairs) => `?${pairs.map((pair) => pair.join("")).join("&")}`.slice(0, 12_000));

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  accept: [
    "text/html",
    "text/event-stream",
    "application/vnd.tatara.fragment",
    "*/*;q=x",
    ",",
    ";",
  ],
  "accept-encoding": ["gzip", "br;q=9", "zstd, *;q=0"],
  range: [
    "bytes=0-0",
    "bytes=-1",
    "bytes=9-1",
    "bytes=0-99999999999999999999",
    "bytes=0-,0-,0-",
    "x",
  ],
  "if-none-match": ["*", '"a", W/"b"', '"'],
  "if-modified-since": ["x", "Sat, 32 Foo 99999 25:61:61 GMT"],
  "last-event-id": ["x", "\u00ff"],
  cookie: ["tatara=%zz", "tatara=a.9999999999999999.00", "a=b; tatara=; tatara-theme=[]", "=;=;"],
  host: ["evil.example", "a:99999", "[::1", "%00", "", "a@b", "x".repeat(300)],
  origin: ["null", "http://a:99999", "x", "http://[", "http://127.0.0.1"],
  "sec-fetch-site": ["same-origin", "cross-site", "x"],
  "x-forwarded-proto": ["https", "x"],
  "content-type": [
    "application/json; charset=utf-16",
    "application/json; charset=x",
    "application/json;;;",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain; charset=utf-7",
    "/",
  ],
  "content-encoding": ["gzip", "br", "deflate", "x", "gzip, gzip"],
  "git-protocol": ["version=2", "version=99999999999", "x\tx"],
  "x-tatara-lease": ["", "x", "a".repeat(5_000)],
  authorization: [
    "Bearer",
    "Bearer  ",
    "Basic",
    "Basic !!!!",
    "Basic Og==",
    "Digest x",
    "Bearer \u00ff",
  ],
};

const oneHeader = fc.oneof(
  ...Object.entries(HEADERS).map(([name, values]) =>
    fc.constantFrom(...values).map((value) => ({ [name]: value })),
  ),
);
const someHeaders = mostly(
  fc.constant({}),
  fc.array(oneHeader, { minLength: 1, maxLength: 3 }).map((all) => Object.assign({}, ...all)),
  3,
);

function bodyOf(route: string): fc.Arbitrary<Buffer | undefined> {
  const schema = BODY_OF[route];
  const json =
    schema === undefined
      ? fc.constantFrom(...HOSTILE_VALUES)
      : fc
          .tuple(
            valuesOf(schema, WORDS),
            mostly(fc.constant([]), fc.array(spoiling, { maxLength: 3 }), 2),
          )
          .map(([value, spoilings]) => spoilings.reduce(spoil, value));
  return fc.oneof(
    { weight: 16, arbitrary: json.map((value) => Buffer.from(JSON.stringify(value) ?? "null")) },
    { weight: 1, arbitrary: json.map((value) => cut(JSON.stringify(value) ?? "null")) },
    { weight: 1, arbitrary: form },
    { weight: 1, arbitrary: fc.constantFrom(...ODD_BODIES) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
}

function cut(text: string): Buffer {
  return Buffer.from(text.slice(0, Math.ceil(text.length * 0.7)));
}

const form = fc
  .array(fc.tuple(fc.constantFrom(...FORM_FIELDS), queryValue), { maxLength: 6 })
  .map((pairs) => Buffer.from(pairs.map((pair) => pair.join("=")).join("&")));

const ODD_BODIES: readonly Buffer[] = [
  Buffer.alloc(0),
  Buffer.from("{"),
  Buffer.from('{"a":1,"a":2}'),
  Buffer.from('{"a":1e99999}'),
  Buffer.from("\ufeff{}"),
  Buffer.from("{}", "utf16le"),
  Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  Buffer.from('{"\\ud800":"\\udfff"}'),
  Buffer.from(`${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`),
  Buffer.from("0".repeat(200_000)),
  Buffer.from(`"${"a".repeat(1_100_000)}"`),
  Buffer.from("a[".repeat(2_000)),
  Buffer.from("a=1&".repeat(5_000)),
  Buffer.from("0032want 0000000000000000000000000000000000000000\n0000"),
  Buffer.from("ffff"),
];

/** One in so many is rare. */
function mostly<T, U>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<U>, oneIn: number) {
  return fc.oneof({ weight: oneIn - 1, arbitrary: usual }, { weight: 1, arbitrary: rare });
}

/** Half a character cannot be written in an address. */
function isWhole(text: string): boolean {
  return text.isWellFormed();
}
