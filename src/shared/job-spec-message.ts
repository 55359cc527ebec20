import { z } from "zod";
import type { JobSpec } from "../domain/job-spec.ts";
import { STEP_KINDS } from "../domain/step.ts";
import { stepName } from "./message-parts.ts";
import {
  checkoutOptions,
  packageParts,
  pipelineImage,
  service,
  testParts,
  verifyRule,
} from "./pipeline-message.ts";

const params = z.record(z.string(), z.string());

/** A job on its way to a worker; the same as the type in `domain/job-spec.ts`. */
export const jobSpecMessage = z.object({
  name: z.string(),
  project: z.string(),
  projectPath: z.string(),
  kind: z.enum(["build", "verify"]),
  target: z.string(),
  checkout: checkoutOptions,
  steps: z.array(
    z.object({
      name: stepName,
      title: z.string(),
      kind: z.enum(STEP_KINDS),
      skip: z.string().nullable(),
    }),
  ),
  images: z.array(z.object({ step: stepName.nullable(), key: z.string(), image: pipelineImage })),
  services: z.array(service),
  tests: z.array(z.object({ ...testParts, step: stepName, image: z.string(), matrix: params })),
  packages: z.array(
    z.object({
      ...packageParts,
      step: stepName,
      image: z.string().nullable(),
      isTargetFixed: z.boolean(),
      isNoarch: z.boolean(),
    }),
  ),
  verify: z.array(
    verifyRule.extend({ step: stepName, label: z.string(), repos: z.array(z.string()) }),
  ),
  fresh: z.boolean(),
  params,
}) satisfies z.ZodType<JobSpec>;
