import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limitBuildKit } from "../../workers/build/docker/buildkit-limits.ts";
import { buildKitStory } from "../../workers/build/docker/buildkit-story.ts";
import { needsBuildKit, syntaxImageOf } from "../../workers/build/docker/dockerfile.ts";
import { gateLines, gateWordIn } from "../../workers/build/docker/gate.ts";
import { volumesBelow } from "../../workers/build/docker/kept.ts";
import { lineTail } from "../../workers/build/docker/line-tail.ts";
import { keptName, keptUntil } from "../../workers/build/docker/names.ts";
import { bytesField, numberField, readFields } from "../../workers/build/docker/protobuf.ts";
import { healthCommand, lowestPort } from "../../workers/build/docker/readiness.ts";

describe("which builder", () => {
  test("lines that only BuildKit reads are seen, with any spelling", () => {
    const lines = [
      "RUN --mount=type=cache,target=/c make",
      "  run --network=none --mount=type=secret,id=x make",
      "COPY --from=a --chmod=755 x /x",
      "ADD --link x /x",
      "RUN <<EOF",
      "COPY <<-'EOF' /x",
    ];

    for (const line of lines)
      expect([line, needsBuildKit(`FROM a\n${line}\n`)]).toEqual([line, true]);
  });

  test("everything else is the classic builder's", () => {
    const lines = [
      "RUN make --mount=x",
      "COPY --chown=1:1 x /x",
      "# RUN --mount=type=cache,target=/c make",
      "RUN bash -c 'cat <<< word'",
      "RUN echo $((1 << 2))",
    ];

    expect(needsBuildKit(`FROM a\n${lines.join("\n")}\n`)).toBe(false);
  });

  test("a foreign parser is named only at the top", () => {
    expect(syntaxImageOf("# escape=`\n#syntax = docker/dockerfile:1 \nFROM a\n")).toBe(
      "docker/dockerfile:1",
    );
    expect(syntaxImageOf("FROM a\n# syntax=docker/dockerfile:1\n")).toBeUndefined();
    expect(syntaxImageOf("# a comment\n# syntax=docker/dockerfile:1\n")).toBeUndefined();
  });
});

describe("BuildKit's words", () => {
  const at = Buffer.alloc(0);
  const vertex = (digest: string, name: string, more: readonly Buffer[] = []) =>
    bytesField(1, Buffer.concat([bytesField(1, digest), bytesField(3, name), ...more]));
  const started = bytesField(5, at);
  const trace = (...parts: Buffer[]) => Buffer.concat(parts).toString("base64");
  const log = (digest: string, text: string) =>
    bytesField(3, Buffer.concat([bytesField(1, digest), numberField(3, 1), bytesField(4, text)]));

  test("become the classic builder's, each instruction once, its lines below its name", () => {
    const story = buildKitStory();

    const said = [
      trace(vertex("a", "[internal] load build context", [started])),
      trace(vertex("b", "[1/3] FROM x", [started]), vertex("c", "[app 2/3] RUN make")),
      trace(vertex("c", "[app 2/3] RUN make", [started]), log("c", "one\n")),
      trace(vertex("d", "[3/3] COPY . .", [started, numberField(4, 1)]), log("c", "two\n")),
      trace(vertex("c", "[app 2/3] RUN make", [started, bytesField(7, "exit code: 2")])),
    ].map((line) => story.tell(line).toString());

    expect(said.join("")).toBe(
      [
        "Step 1/3 : FROM x",
        "Step 2/3 (app) : RUN make",
        "one",
        "Step 3/3 : COPY . .",
        " ---> Using cache",
        "Step 2/3 (app) : RUN make",
        "two",
        "",
      ].join("\n"),
    );
    expect(story.failed()).toBe("RUN make");
    expect(story.layers()).toEqual({ reused: 1, total: 2 });
  });

  test("that were left out are told of once", () => {
    const story = buildKitStory();
    const cut = "\n[output clipped, log limit 1MiB reached]\n";

    const said = [log("a", cut), log("a", cut)].map((line) => story.tell(trace(line)).toString());

    expect(said[0]).toContain("Tatara: the engine's BuildKit left out");
    expect(said[1]).toBe(cut);
  });

  test("fields of a message come back as they were written", () => {
    const field = fc.oneof(
      fc.record({ number: fc.integer({ min: 1, max: 5_000 }), value: fc.maxSafeNat() }),
      fc.record({
        number: fc.integer({ min: 1, max: 5_000 }),
        bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      }),
    );
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        const message = fields.map((one) =>
          "bytes" in one ? bytesField(one.number, one.bytes) : numberField(one.number, one.value),
        );

        expect([...readFields(Buffer.concat(message))]).toEqual(fields);
      }),
    );
  });

  test("any bytes at all are read to their end", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void [...readFields(Buffer.from(bytes))]));
  });
});

describe("the limit of all BuildKit builds", () => {
  test("is one share for each, none when there are none, and false where there is no cgroup", async () => {
    const root = await mkdtemp(join(tmpdir(), "tatara-cgroup-"));
    await using _root = { [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
    const share = { memoryBytes: 1_000, cpus: 2 };
    const folder = join(root, "memory/docker/buildkit");

    const without = await limitBuildKit(share, 1, root);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "memory.limit_in_bytes"), "");
    const read = () => readFile(join(folder, "memory.limit_in_bytes"), "utf8");
    const three = [await limitBuildKit(share, 3, root), await read()];
    await writeFile(join(folder, "memory.limit_in_bytes"), "");
    const lifted = [await limitBuildKit(share, 0, root), await read()];

    expect(without).toBe(false);
    expect(three).toEqual([true, "3000"]);
    expect(lifted).toEqual([true, "-1"]);
  });
});

describe("the gate", () => {
  test("takes a value's lines by count, and refuses a name that is none", () => {
    const secrets = [
      { name: "A", value: "x\ny\n" },
      { name: "B", value: "", isEnv: true },
    ];

    expect(gateLines(secrets)).toBe("A 0 3\nx\ny\n\nB 1 1\n\n\n");
    expect(gateLines()).toBe("\n");
    expect(() => gateLines([{ name: "../x", value: "" }])).toThrow("No name of a secret");
  });

  test("says how its command ended, and nothing else is taken for that", () => {
    const word = { code: 0, memoryPeakBytes: 1_234 };
    const none = { ...word, isKilledForMemory: false };
    expect(gateWordIn("tatara-ended 0 01234\n")).toEqual(none);
    expect(gateWordIn("tatara-ended 0 001234\n")).toEqual({ ...word, isKilledForMemory: true });
    // Of a kernel that does not tell, or a container that an older worker started.
    expect(gateWordIn("tatara-ended 0 1234\n")).toEqual({ ...word, isKilledForMemory: null });
    const unknown = { code: 137, memoryPeakBytes: null, isKilledForMemory: null };
    expect(gateWordIn("tatara-ended 137 \n")).toEqual(unknown);
    for (const text of ["x tatara-ended 0 1\n", "tatara-ended 0 1", "tatara-ended  1\n", ""]) {
      expect([text, gateWordIn(text)]).toEqual([text, undefined]);
    }
  });
});

describe("what is kept", () => {
  const owner = { workerId: "w", jobId: "j1", attempt: 1, step: "unit" };

  test("says in its name until when", () => {
    const name = keptName(1_800_000_000_500, owner);

    expect(keptUntil(`/${name}`)).toBe(1_800_000_001_000);
    expect(keptUntil(name.replace("-", ":"))).toBeUndefined();
    expect(keptUntil("tatara-kept:1800000001-j1-1-unit")).toBe(1_800_000_001_000);
    expect(keptUntil("tatara-j1-1-unit")).toBeUndefined();
  });

  test("holds the volumes that its overlay lies on", () => {
    const options =
      "lowerdir=/var/lib/docker/volumes/seed/_data,upperdir=/var/lib/docker/volumes/scratch/_data/upper0,workdir=/var/lib/docker/volumes/scratch/_data/work0";

    expect(new Set(volumesBelow(options))).toEqual(new Set(["seed", "scratch"]));
    expect(volumesBelow("")).toEqual([]);
  });
});

describe("readiness", () => {
  test("the lowest port that can be tried", () => {
    expect(lowestPort(["9000/tcp", "53/udp", "8080/tcp"])).toBe(8_080);
    expect(lowestPort(["53/udp"])).toBeUndefined();
  });

  test("a health check in both forms, none, and one that was taken away", () => {
    expect(healthCommand({ Healthcheck: { Test: ["CMD", "a", "b"] } })).toEqual(["a", "b"]);
    expect(healthCommand({ Healthcheck: { Test: ["CMD-SHELL", "a b"] } })).toEqual([
      "/bin/sh",
      "-c",
      "a b",
    ]);
    expect(healthCommand({ Healthcheck: { Test: ["NONE"] } })).toBeUndefined();
    expect(healthCommand({})).toBeUndefined();
  });

  test("the last lines of an output, wherever it was cut", () => {
    const text = Array.from({ length: 50 }, (_, i) => `zeile ${i} ä`).join("\n");
    fc.assert(
      fc.property(fc.array(fc.nat(700), { maxLength: 6 }), fc.boolean(), (cuts, hasEnd) => {
        const bytes = Buffer.from(hasEnd ? `${text}\n` : text);
        const edges = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length];
        edges.sort((a, b) => a - b);
        const tail = lineTail(20);
        edges.slice(1).forEach((end, i) => tail.push(bytes.subarray(edges[i], end)));

        expect(tail.text()).toBe(text.split("\n").slice(-20).join("\n"));
      }),
    );
  });
});
