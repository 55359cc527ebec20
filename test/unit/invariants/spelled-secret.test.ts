import fc from "fast-check";
import { expect, test } from "vitest";
import { spellingsOf } from "../../../src/invariants/spelled-secret.ts";

const secret = fc.string({ minLength: 12, maxLength: 60, unit: "binary-ascii" });

test("a secret is found in base64, whatever stands before and after it", () => {
  fc.assert(
    fc.property(secret, fc.uint8Array({ maxLength: 9 }), (value, around) => {
      const bytes = Buffer.concat([around, Buffer.from(value), around]);
      const spelled = spellingsOf(value);
      for (const form of ["base64", "base64url"] as const) {
        const text = Buffer.from(bytes.toString(form));
        expect(spelled.some((spelling) => text.includes(spelling))).toBe(true);
      }
    }),
  );
});

test("a secret is found as it is, in hex, in an address and in JSON", () => {
  fc.assert(
    fc.property(secret, (value) => {
      const spelled = spellingsOf(value);
      const texts = [
        value,
        Buffer.from(value).toString("hex"),
        encodeURIComponent(value),
        JSON.stringify({ said: `it is ${value}` }),
      ];
      for (const text of texts) {
        expect(spelled.some((spelling) => Buffer.from(text).includes(spelling))).toBe(true);
      }
    }),
  );
});

test("what is too short would be found by chance, and is not looked for", () => {
  expect(spellingsOf("short")).toEqual([]);
});
