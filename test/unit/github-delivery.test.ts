import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { githubVerifier, parseGithubDelivery } from "../../src/server/webhook/github.ts";
import type { Push } from "../../src/domain/push.ts";
import { examplesOf, pushPayload, ZEROS } from "../support/github-deliveries.ts";

const A = "a".repeat(40);
const B = "b".repeat(40);
const C = "c".repeat(40);
const push = { repo: "acme/hello", ref: "refs/heads/main", before: A, after: B, sha: B };

function parsed(payload: unknown): Push {
  const delivery = parseGithubDelivery("push", payload);
  if (delivery.kind !== "push") throw new Error(JSON.stringify(delivery));
  return delivery.push;
}

describe("reading a push", () => {
  test("a push to a branch is told in our words", () => {
    const payload = pushPayload({ ...push, message: "Fix it\n\nReally.", authorName: "Ada" });

    expect(parsed(payload)).toEqual({
      forge: "github",
      repo: "acme/hello",
      ref: "refs/heads/main",
      before: A,
      after: B,
      sha: B,
      pusher: "Codertocat",
      trust: "trusted",
      defaultBranch: "main",
      message: "Fix it\n\nReally.",
      authorName: "Ada",
      isForced: false,
    });
  });

  test("an annotated tag is peeled to its commit", () => {
    const tag = { ...push, ref: "refs/tags/v1.0.0", before: ZEROS, after: C, sha: B };

    expect(parsed(pushPayload(tag))).toMatchObject({ after: C, sha: B, ref: "refs/tags/v1.0.0" });
  });

  test("a deleted branch has no commit", () => {
    const deletion = { ...push, after: ZEROS, sha: null };

    expect(parsed(pushPayload(deletion))).toMatchObject({ after: ZEROS, sha: undefined });
  });

  test("a deletion is one even where the payload's after says otherwise", () => {
    const payload = { ...pushPayload(push), deleted: true };

    expect(parsed(payload)).toMatchObject({ after: ZEROS, sha: undefined });
  });

  test.each(examplesOf("push").map((example, index) => [index, example] as const))(
    "GitHub's own example %i is a push",
    (_index, example) => {
      expect(parsed(example)).toMatchObject({ repo: "Codertocat/Hello-World" });
    },
  );

  test.each([
    ["ping", "ping: the webhook works"],
    ["create", "event create asks for no build"],
    ["delete", "event delete asks for no build"],
    ["status", "event status asks for no build"],
  ])("%s is ignored with its reason", (event, reason) => {
    const [example] = examplesOf(event);

    const delivery = parseGithubDelivery(event, example);

    expect(delivery).toMatchObject({ kind: "ignored", reason });
  });

  test.each([
    ["refs/heads/-x", "ref"],
    ["refs/heads/a..b", "ref"],
    ["refs/notes/commits", "ref"],
    ["refs/heads/a b", "ref"],
    ["main", "ref"],
  ])("the ref %s is ignored, for it cannot be built safely", (ref) => {
    const delivery = parseGithubDelivery("push", { ...pushPayload(push), ref });

    expect(delivery).toEqual({
      kind: "ignored",
      reason: "the ref is no branch or tag that can be built",
      repo: "acme/hello",
    });
  });

  test.each(["../../etc", "acme/..", "acme/x.git", "acme", "-acme/x", "acme/hel lo"])(
    "the repo %s is ignored",
    (name) => {
      const payload = pushPayload(push);
      const repository = { ...(payload["repository"] as object), full_name: name };

      const delivery = parseGithubDelivery("push", { ...payload, repository });

      expect(delivery).toMatchObject({ kind: "ignored", repo: null });
    },
  );

  test.each([
    ["after", "--upload-pack=x"],
    ["before", "HEAD"],
    ["after", A.toUpperCase()],
  ])("a %s of %s is no sha", (field, value) => {
    const delivery = parseGithubDelivery("push", { ...pushPayload(push), [field]: value });

    expect(delivery).toMatchObject({ kind: "ignored", reason: "a commit's id is no sha" });
  });

  test("all that is missing is named at once", () => {
    const delivery = parseGithubDelivery("push", { ref: 1, repository: {} });

    expect(delivery).toMatchObject({ kind: "bad" });
    expect(JSON.stringify(delivery)).toMatch(/ref, before, after, repository.full_name/);
  });

  test("what databases refuse is taken out of messages and names", () => {
    const message = `a\u0000b\ud800${"x".repeat(20_000)}`;

    const facts = parsed(pushPayload({ ...push, message, authorName: "A\u0000da" }));

    expect(facts.message.startsWith("ab\ufffdx")).toBe(true);
    expect(facts.message.length).toBe(10_000);
    expect(facts.authorName).toBe("Ada");
  });
});

describe("hostile payloads", () => {
  test("anything may be said under any event, and nothing is thrown", () => {
    fc.assert(
      fc.property(fc.constantFrom("push", "ping", "x"), fc.jsonValue(), (event, payload) => {
        expect(["push", "ignored", "bad"]).toContain(parseGithubDelivery(event, payload).kind);
      }),
    );
  });

  test("no field of a push but ids and names changes what we take from it", () => {
    const base = pushPayload(push);
    const hosts = fc.webUrl().map((url) => `${url}@169.254.169.254/`);
    const hostile = (value: unknown, host: string): unknown => {
      if (typeof value === "string") return /^\w+:\/\/|^git@/.test(value) ? host : value;
      if (Array.isArray(value)) return value.map((item) => hostile(item, host));
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [
          key,
          key.endsWith("_url") || key === "url" || key === "compare" ? host : hostile(inner, host),
        ]),
      );
    };
    fc.assert(
      fc.property(hosts, (host) => {
        const facts = parsed(hostile(base, host));

        expect(facts).toEqual(parsed(base));
        expect(JSON.stringify(facts)).not.toContain("169.254");
      }),
    );
  });

  test("a push that was altered anywhere is read cleanly or not at all", () => {
    const base = pushPayload(push);
    const path = fc.constantFrom("ref", "before", "after", "repository", "head_commit", "pusher");
    fc.assert(
      fc.property(path, fc.jsonValue(), (field, value) => {
        const delivery = parseGithubDelivery("push", { ...base, [field]: value });

        if (delivery.kind !== "push") return;
        const { repo, ref, before, after } = delivery.push;
        expect(repo).toMatch(/^[\w.-]+\/[\w.-]+$/);
        expect(ref).toMatch(/^refs\/(?:heads|tags)\/[^-]/);
        expect([before, after].every((sha) => /^[0-9a-f]{40,64}$/.test(sha))).toBe(true);
      }),
    );
  });
});

describe("verifying", () => {
  const sign = (body: string | Buffer, secret: string) =>
    `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const delivery = (text: string, secret: string) => ({
    deliveryId: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    event: "push",
    signature: sign(text, secret),
    body: Buffer.from(text),
  });

  test("each of several secrets is good, and no other", async () => {
    const verify = githubVerifier(["new-secret", "old-secret"]);

    const kinds = await Promise.all(
      ["new-secret", "old-secret", "stolen"].map(async (secret) => {
        return (await verify(delivery('{"a":1}', secret))).kind;
      }),
    );

    expect(kinds).toEqual(["verified", "verified", "unverified"]);
  });

  test("the payload is what was signed", async () => {
    const seen = await githubVerifier(["s"])(delivery('{"zen":"Ä"}', "s"));

    expect(seen).toEqual({ kind: "verified", payload: { zen: "Ä" } });
  });

  test("a signed body that is not JSON is bad, an unsigned one unverified", async () => {
    const verify = githubVerifier(["s"]);

    expect(await verify(delivery("{", "s"))).toEqual({
      kind: "bad",
      reason: "the body is not JSON",
    });
    expect(await verify(delivery("{", "t"))).toEqual({ kind: "unverified" });
  });

  test("without a secret nothing is verified", async () => {
    expect(await githubVerifier([])(delivery("{}", ""))).toEqual({ kind: "unverified" });
    expect(await githubVerifier([""])(delivery("{}", "x"))).toEqual({ kind: "unverified" });
  });

  test("no altered body or signature is accepted", async () => {
    const verify = githubVerifier(["secret", "other"]);
    const good = delivery(JSON.stringify(pushPayload(push)), "secret");
    const flip = fc.nat(good.body.length * 8 - 1).map((bit) => {
      const body = Buffer.from(good.body);
      body[bit >> 3] = (body[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return { ...good, body };
    });
    const signature = fc
      .oneof(fc.string(), fc.stringMatching(/^[0-9a-f]{64}$/))
      .map((text) => ({ ...good, signature: `sha256=${text}` }));

    await fc.assert(
      fc.asyncProperty(fc.oneof(flip, signature), async (forged) => {
        expect((await verify(forged)).kind).toBe("unverified");
      }),
      { numRuns: 10_000 },
    );
  });
});
