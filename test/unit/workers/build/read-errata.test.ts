import { describe, expect, test } from "vitest";
import { readErrata } from "../../../../workers/build/source/read-errata.ts";

const never = new AbortController().signal;

function commitWith(files: Readonly<Record<string, string>>, kind: "file" | "symlink" = "file") {
  return {
    entries: Object.entries(files).map(([path, text]) => {
      return { path, kind, sizeBytes: text.length, blob: "" };
    }),
    readFile: async (path: string) => Buffer.from(files[path] ?? ""),
  };
}

describe("the errata file of a commit", () => {
  test.each([".tatara/errata.yaml", ".tatara/errata.yml"])("is %s", async (path) => {
    expect(await readErrata(commitWith({ [path]: "- id: é\n" }), never)).toBe("- id: é\n");
  });

  test("need not be there, and is no link", async () => {
    const link = commitWith({ ".tatara/errata.yaml": "/etc/passwd" }, "symlink");

    expect(await readErrata(commitWith({ "errata.yaml": "x" }), never)).toBeNull();
    expect(await readErrata(link, never)).toBeNull();
  });

  test("has a limit", async () => {
    const large = commitWith({ ".tatara/errata.yaml": "x".repeat(256_001) });

    await expect(readErrata(large, never)).rejects.toMatchObject({
      code: "ERRATA_INVALID",
      file: ".tatara/errata.yaml",
    });
  });
});
