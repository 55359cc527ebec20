import { z } from "zod";
import type { Pipeline } from "../domain/pipeline.ts";
import { PACKAGE_SCRIPTS } from "../domain/pipeline.ts";

/**
 * A pipeline on its way from worker to server, which believes none of it: everything is bounded. The
 * schemas say the same as the types in `domain/pipeline.ts`; `satisfies` holds them together.
 */
const text = z.string().max(4_000);
const command = z.string().max(128_000);
const name = z.string().max(200);
const texts = z.array(text).max(10_000);
const names = z.array(name).max(1_000);
const map = z.record(name, z.string().max(64_000));
const ms = z.number().int().nonnegative();
const bytes = z.number().int().nonnegative();

export const pipelineImage = z.union([
  z.object({
    kind: z.literal("dockerfile"),
    path: text,
    context: text,
    stage: name.nullable(),
    args: map,
    secrets: names,
    timeoutMs: ms,
  }),
  z.object({ kind: z.literal("named"), name: text, pull: z.enum(["missing", "always"]) }),
  z.object({ kind: z.literal("base") }),
]);

export const only = z.object({
  branches: texts.nullable(),
  tags: texts.nullable(),
  pullRequests: z.union([z.boolean(), z.literal("same-repo"), texts]).nullable(),
  schedule: z.boolean().nullable(),
  paths: texts.nullable(),
});

export const runs = {
  env: map,
  secrets: z.array(z.object({ name, as: z.enum(["file", "env"]) })).max(100),
  cache: z.object({ paths: texts, keyFiles: texts.nullable() }).nullable(),
  network: z.enum(["internet", "mirrors", "none"]),
  timeoutMs: ms,
  idleTimeoutMs: ms,
  resources: z.object({
    cpus: z.number().positive(),
    memoryBytes: bytes,
    pids: z.number().int().positive(),
    diskBytes: bytes,
  }),
};

const workDir = z.union([
  z.object({ kind: z.literal("path"), path: text }),
  z.object({ kind: z.literal("image") }),
]);

/** What a test of the file and a planned one share. */
export const testParts = {
  ...runs,
  name,
  run: command.nullable(),
  services: names,
  reports: texts.nullable(),
  keep: z
    .object({ files: texts, expiresMs: ms, after: z.enum(["passed", "failed", "always"]) })
    .nullable(),
  needs: names,
  dir: workDir,
  user: z.enum(["image", "ci"]),
  allowFailure: z.boolean(),
};

const testStep = z.object({
  ...testParts,
  only: only.nullable(),
  image: pipelineImage.nullable(),
  matrix: z
    .object({
      variables: z.array(z.object({ name, values: texts })).max(20),
      except: z.array(map).max(1_000),
    })
    .nullable(),
});

export const service = z.object({
  name,
  image: pipelineImage,
  command: texts.nullable(),
  env: map,
  ready: command.nullable(),
  readyTimeoutMs: ms,
  cpus: z.number().positive(),
  memoryBytes: bytes,
});

export const verifyRule = z.object({
  run: command.nullable(),
  upgradeFrom: name.nullable(),
  timeoutMs: ms,
});

const specSource = z.object({
  kind: z.literal("spec"),
  path: text,
  define: map,
  with: names,
  without: names,
  fetch: z.boolean(),
  sourceRpm: z.boolean(),
  debuginfo: z.boolean(),
});

const filesSource = z.object({
  kind: z.literal("files"),
  name,
  summary: text,
  license: text,
  description: z.string().max(64_000),
  url: text.nullable(),
  vendor: text.nullable(),
  requires: texts,
  recommends: texts,
  provides: texts,
  conflicts: texts,
  obsoletes: texts,
  scripts: z.partialRecord(z.enum(PACKAGE_SCRIPTS), text),
  users: z
    .array(z.object({ name, description: text, home: text.nullable(), groups: names }))
    .max(100),
  files: z
    .array(
      z.object({
        path: text,
        content: z.union([
          z.object({ kind: z.literal("from"), path: text }),
          z.object({ kind: z.literal("dir") }),
          z.object({ kind: z.literal("link"), target: text }),
        ]),
        config: z.enum(["no", "yes", "noreplace"]),
        mode: name.nullable(),
        owner: name,
        group: name,
        isDoc: z.boolean(),
        isLicense: z.boolean(),
      }),
    )
    .max(10_000),
  sourceRpm: z.boolean(),
  debuginfo: z.boolean(),
});

/** What a package of the file and a planned one share. */
export const packageParts = {
  ...runs,
  label: name,
  version: z.union([
    z.object({ kind: z.literal("spec") }),
    z.object({ kind: z.literal("from-tag"), pattern: name.nullable() }),
    z.object({ kind: z.literal("fixed"), version: name }),
  ]),
  release: z.union([
    z.object({ kind: z.literal("auto") }),
    z.object({ kind: z.literal("spec") }),
    z.object({ kind: z.literal("fixed"), release: name }),
  ]),
  run: command.nullable(),
  repos: names,
  rpmbuildNetwork: z.boolean(),
  lint: z.enum(["off", "warn", "error"]),
  verify: verifyRule.nullable(),
  source: z.discriminatedUnion("kind", [specSource, filesSource]),
};

const packageStep = z.object({
  ...packageParts,
  only: only.nullable(),
  for: names.nullable(),
  arch: names,
  image: pipelineImage.nullable(),
});

export const checkoutOptions = z.object({ submodules: z.boolean(), lfs: z.boolean() });

export const pipelineMessage = z.object({
  // Each is looked at for its next instant, over years if need be.
  when: only.omit({ schedule: true }).extend({ schedule: z.array(text).max(20) }),
  onNewerPush: z.enum(["cancel", "keep"]).nullable(),
  checkout: checkoutOptions,
  runAllOn: texts,
  projects: z
    .array(
      z.object({
        name: z.string().max(63),
        path: text,
        also: texts,
        needs: names,
        only: only.nullable(),
        image: pipelineImage,
        services: z.array(service).max(100),
        tests: z.array(testStep).max(200),
        packages: z.array(packageStep).max(100),
        publish: z
          .array(
            z.object({
              channel: name,
              isDefaultBranch: z.boolean(),
              branches: texts,
              tags: texts,
              promoteFrom: name.nullable(),
            }),
          )
          .max(100),
      }),
    )
    .min(1)
    .max(200),
}) satisfies z.ZodType<Pipeline>;
