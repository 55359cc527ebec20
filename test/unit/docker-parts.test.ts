import { text } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dockerfileFault, imageNamedBy } from "../../workers/build/docker/dockerfile.ts";
import { frameReader } from "../../workers/build/docker/frames.ts";
import { imageFault } from "../../workers/build/docker/image.ts";
import { cgroupOf, nameOf, safe, workerOfCgroup } from "../../workers/build/docker/names.ts";
import { peekDockerfile } from "../../workers/build/docker/peek-dockerfile.ts";
import { resolveUser } from "../../workers/build/docker/users.ts";
import { tarOf } from "../support/engine-rig.ts";

describe("frames", () => {
  const frame = (stream: number, body: Buffer) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(body.length, 4);
    return Buffer.concat([header, body]);
  };

  test("come off the output wherever the chunks were cut", () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    const cuts = fc.array(fc.nat(400), { maxLength: 12 });
    fc.assert(
      fc.property(bodies, cuts, (parts, at) => {
        const whole = Buffer.concat(parts.map((part, i) => frame(1 + (i % 2), Buffer.from(part))));
        const edges = [0, ...at.filter((cut) => cut < whole.length), whole.length];
        edges.sort((a, b) => a - b);
        const reader = frameReader();

        const read = edges.slice(1).map((end, i) => reader.push(whole.subarray(edges[i], end)));

        expect(Buffer.concat(read)).toEqual(Buffer.concat(parts.map((part) => Buffer.from(part))));
        expect(reader.isWhole()).toBe(true);
      }),
    );
  });

  test("that were cut off are noticed", () => {
    const reader = frameReader();

    reader.push(frame(1, Buffer.from("hello")).subarray(0, 10));

    expect(reader.isWhole()).toBe(false);
  });
});

describe("names", () => {
  test("say job, attempt and step", () => {
    const owner = { workerId: "w", jobId: "b12-el9", attempt: 2, step: "unit-tests" };

    expect(nameOf(owner)).toBe("tatara-b12-el9-2-unit-tests");
  });

  test("that had to be changed stay different", () => {
    expect(safe("a b")).toMatch(/^a_b\.[0-9a-f]{8}$/);
    expect(safe("a b")).not.toBe(safe("a/b"));
    expect(safe("x".repeat(200)).length).toBeLessThan(80);
  });

  test("a cgroup names its worker, on both drivers, and foreign ones nobody", () => {
    for (const parent of ["/tatara", "tatara.slice"]) {
      expect(workerOfCgroup(parent, cgroupOf(parent, "worker-1"))).toBe("worker-1");
      for (const foreign of ["", "/docker", "/tatara2/w", "system.slice", "tatara2-w.slice"]) {
        expect(workerOfCgroup(parent, foreign)).toBeUndefined();
      }
    }
  });
});

describe("users of an image", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/srv/app:/bin/sh\n";
  const group = "root:x:0:\nweb:x:33:app\n";

  test.each([
    ["root", { uid: 0, gid: 0, home: "/root" }],
    ["app", { uid: 1000, gid: 1001, home: "/srv/app" }],
    ["1000", { uid: 1000, gid: 1001, home: "/srv/app" }],
    ["app:web", { uid: 1000, gid: 33, home: "/srv/app" }],
    ["app:77", { uid: 1000, gid: 77, home: "/srv/app" }],
    ["4000", { uid: 4000, gid: 0, home: "/" }],
    ["4000:web", { uid: 4000, gid: 33, home: "/" }],
  ])("%s is found", (user, wanted) => {
    expect(resolveUser(user, passwd, group)).toEqual(wanted);
  });

  test.each(["nobody", "app:nogroup", "-1", "4294967296"])("%s is not", (user) => {
    expect(() => resolveUser(user, passwd, group)).toThrow(/not in the image/);
  });
});

describe("what the engine says", () => {
  const registry = "registry.example.com";

  test.each([
    "pull access denied for no/such, repository does not exist or may require 'docker login'",
    "manifest for debian:nosuch not found: manifest unknown: manifest unknown",
    "invalid reference format: repository name must be lowercase",
    "unauthorized: authentication required",
  ])("about an unknown image is the user's: %s", (message) => {
    expect(imageFault("x", message, undefined)).toMatchObject({ code: "IMAGE_UNKNOWN" });
  });

  test.each([
    `Get "https://${registry}/v2/": dial tcp: lookup ${registry} on 10.0.0.1:53: no such host`,
    `Get "https://${registry}/v2/": net/http: request canceled (Client.Timeout exceeded)`,
    "received unexpected HTTP status: 503 Service Unavailable",
    "toomanyrequests: You have reached your pull rate limit. denied",
    "error pulling image configuration: download failed after attempts=6: unexpected EOF",
  ])("about a registry in trouble is not: %s", (message) => {
    expect(imageFault("x", message, undefined)).toMatchObject({ code: "IMAGE_UNAVAILABLE" });
  });

  test("about a Dockerfile has its line", () => {
    const message = "dockerfile parse error line 4: unknown instruction: RUNN";
    const problem = { message, file: "ci/Dockerfile", text: undefined };

    expect(dockerfileFault(problem)).toMatchObject({
      code: "DOCKERFILE_INVALID",
      file: "ci/Dockerfile",
      line: 4,
    });
  });

  test("about the lines of a heredoc points at its beginning", () => {
    const text = "FROM a\nRUN true\nCOPY <<-'END' /x\nhello\nEND\n";
    const message = "dockerfile parse error line 4: unknown instruction: HELLO";

    expect(dockerfileFault({ message, file: "Dockerfile", text })).toMatchObject({
      code: "DOCKERFILE_NEEDS_BUILDKIT",
      line: 3,
    });
  });

  test("names the image of an instruction", () => {
    expect(imageNamedBy("FROM --platform=linux/amd64 debian:12 AS build")).toBe("debian:12");
    expect(imageNamedBy("COPY --from=nginx:1 /a /b")).toBe("nginx:1");
    expect(imageNamedBy("RUN true")).toBeUndefined();
  });
});

describe("a file in a passing tar", () => {
  test("is kept, and the tar passes unchanged", async () => {
    const files = { "a.bin": "x".repeat(1_300), "./ci/Dockerfile": "FROM a\n", "z.txt": "z" };
    const { context, text: found } = await peekDockerfile(tarOf(files), "ci/Dockerfile");

    const passed = await text(context);

    expect(found).toBe("FROM a\n");
    expect(passed).toBe(await text(tarOf(files)));
  });

  test("that is not there is undefined", async () => {
    const { context, text: found } = await peekDockerfile(tarOf({ "a.txt": "a" }), "Dockerfile");

    await text(context);

    expect(found).toBeUndefined();
  });
});
