import fc from "fast-check";
import { expect, test } from "vitest";
import { createMask, spellingsOf } from "../../../../workers/build/log/mask.ts";

function maskAll(secrets: readonly string[], chunks: readonly Buffer[]): string {
  const mask = createMask(secrets);
  const shown = chunks.map((chunk) => mask.push(chunk));
  return Buffer.concat([...shown, mask.end()]).toString("latin1");
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

test("a secret is shown as three stars, and the rest as it was", () => {
  const shown = maskAll(["tok-12345"], [Buffer.from("a tok-12345 b tok-1234 c\n")]);

  expect(shown).toBe("a *** b tok-1234 c\n");
});

test("a secret inside what could become a longer one is hidden when the longer one does not come", () => {
  expect(maskAll(["abcd", "xxabcdzzz"], [Buffer.from("xxabcd"), Buffer.from("zzy")])).toBe(
    "xx***zzy",
  );
  expect(maskAll(["abcd", "xxabcdzzz"], [Buffer.from("xxabcdz"), Buffer.from("zz!")])).toBe("***!");
});

test("a line that ends in the beginning of a secret is not delayed for long", () => {
  const mask = createMask(["ttttoken"]);

  expect(mask.push(Buffer.from("rest")).toString()).toBe("res");
  expect(mask.flushShort().toString()).toBe("t");
  expect(mask.push(Buffer.from("tttoken!")).toString()).toBe("***!");
});

test("more than the smallest part of a secret is never shown early, nor at the end of the log", () => {
  const mask = createMask(["secret-value"]);

  expect(mask.push(Buffer.from("x secret-va")).toString()).toBe("x ");
  expect(mask.flushShort().toString()).toBe("");
  expect(mask.end().toString()).toBe("***");
});

test("each line of a key is hidden for itself, words shorter than four bytes never", () => {
  const shown = maskAll(["BEGIN\nabc\nMIIEpAIB"], [Buffer.from("MIIEpAIB abc BEGIN")]);

  expect(shown).toBe("*** abc ***");
});

test("base64 of any text around the secret is hidden, at all three offsets", () => {
  for (const before of ["", "x", "xy", "user:"]) {
    const text = Buffer.from(`${before}p4ss/w0rd+long${before}`).toString("base64");

    const shown = maskAll(["p4ss/w0rd+long"], [Buffer.from(`[${text}]`)]);

    expect(shown).toContain("***");
    expect(Buffer.from(shown, "base64").toString("latin1")).not.toContain("w0rd");
  }
});

test("no spelling of a secret survives any cutting of the log", () => {
  const secret = fc.string({ minLength: 8, maxLength: 40, unit: "binary" });
  const noise = fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 6 });
  const places = fc.array(fc.nat(), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      noise,
      places,
      (secrets, parts, at) => {
        const spellings = spellingsOf(secrets);
        const bytes = Buffer.concat(
          parts.flatMap((part, index) => [
            Buffer.from(part),
            spellings[index % spellings.length] ?? Buffer.alloc(0),
          ]),
        );

        const shown = maskAll(secrets, cut(bytes, at));

        for (const spelling of spellings) {
          // A secret of stars is its own mask.
          if (spelling.toString() === "***") continue;
          expect(shown.includes(spelling.toString("latin1"))).toBe(false);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("where the log is cut changes nothing of what is shown", () => {
  const piece = fc.constantFrom("abab", "abcabc", "bcab", "ab", "c", "aabb", "x", "\n", "ababab");
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (pieces, at) => {
        const secrets = ["abcab", "ababab", "cabcabx"];
        const bytes = Buffer.from(pieces.join(""));

        expect(maskAll(secrets, cut(bytes, at))).toBe(maskAll(secrets, [bytes]));
      },
    ),
    { numRuns: 1_000 },
  );
});

test("what is passed over in large pieces is what a look at every byte would show", () => {
  const secrets = ["abcabcabd-abcabc", "bcabdabcabcabcabca", "xxxxxxxxxxxxabcd"];
  const spellings = spellingsOf(secrets).map((spelling) => spelling.toString());
  const halves = spellings.flatMap((text) => [text.slice(0, 9), text.slice(-9), text.slice(1)]);
  const piece = fc.constantFrom(...spellings, ...halves, "a", "bc", "xx", "\n", "abd", "zzzzzzzzz");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const bytes = Buffer.from(pieces.join(""));
      const single = Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));

      expect(maskAll(secrets, [bytes])).toBe(maskAll(secrets, single));
    }),
    { numRuns: 500 },
  );
});

test("bytes that are no text pass unchanged", () => {
  const bytes = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));

  expect(maskAll(["some-secret"], [bytes])).toBe(bytes.toString("latin1"));
});

test("a place that was noted is where the mask was then, whatever it has shown since", () => {
  const secrets = ["tok-12345"];
  const mask = createMask(secrets);
  // It ends where the secret does: whether it is all of it, only the next byte tells.
  const before = mask.push(Buffer.from("a tok-12345"));
  const place = mask.place();
  const noted = structuredClone(place);

  const after = mask.push(Buffer.from(" b\n"));

  expect(place).toEqual(noted);
  const later = createMask(secrets, place);
  const again = later.push(Buffer.from("tok-12345 b\n"));
  expect(Buffer.concat([before, again])).toEqual(Buffer.concat([before, after]));
});
