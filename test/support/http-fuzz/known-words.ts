import type { z } from "zod";
import {
  endMessage,
  keptMessage,
  planMessage,
  reportsMessage,
  stepMessage,
} from "../../../src/shared/build-messages.ts";
import { changeRequest } from "../../../src/shared/channel-changes.ts";
import {
  allowanceRequest,
  createChannelRequest,
  importRequest,
  patchChannelRequest,
  pinRequest,
  transferRequest,
} from "../../../src/shared/channel-requests.ts";
import {
  publishCheckRequest,
  publishDoneMessage,
  publishFailMessage,
  publishProgressMessage,
  switchRequest,
} from "../../../src/shared/publish-messages.ts";
import { reportAnswer } from "../../../src/shared/report-messages.ts";
import { shellsRequest } from "../../../src/shared/shell-messages.ts";
import {
  approveRequest,
  buildRequest,
  drainRequest,
  secretRequest,
} from "../../../src/shared/trigger-requests.ts";
import {
  claimRequest,
  faultMessage,
  goodbyeRequest,
  startedRequest,
  troubleMessage,
} from "../../../src/shared/worker-messages.ts";

const JOB = "POST /worker/v1/build/jobs/:id";
const PUBLISH = "POST /worker/v1/publish/:id";

/** Route → the schema that its body is read with. */
export const BODY_OF: Readonly<Record<string, z.ZodType>> = {
  "POST /api/changes": changeRequest,
  "POST /api/allowances": allowanceRequest,
  "POST /api/names/:name": transferRequest,
  "POST /api/channels": createChannelRequest,
  "PATCH /api/channels/:name": patchChannelRequest,
  "POST /api/channels/:name/pins": pinRequest,
  "POST /api/channels/:name/import": importRequest,
  "POST /api/repos/:owner/:name/builds": buildRequest,
  "POST /api/builds/:id/approve": approveRequest,
  "PUT /api/repos/:owner/:name/secrets/:secret": secretRequest,
  "POST /api/workers/:id/drain": drainRequest,
  "POST /worker/v1/build/claim": claimRequest,
  "POST /worker/v1/build/started": startedRequest,
  "POST /worker/v1/build/goodbye": goodbyeRequest,
  "POST /worker/v1/build/trouble": troubleMessage,
  "POST /worker/v1/build/shells": shellsRequest,
  [`${JOB}/plan`]: planMessage,
  [`${JOB}/end`]: endMessage,
  [`${JOB}/fault`]: faultMessage,
  [`${JOB}/steps/:step`]: stepMessage,
  [`${JOB}/steps/:step/kept`]: keptMessage,
  [`${JOB}/steps/:step/reports`]: reportsMessage,
  "POST /worker/v1/publish/claim": claimRequest,
  "POST /worker/v1/publish/started": startedRequest,
  "POST /worker/v1/publish/switch": switchRequest,
  [`${PUBLISH}/check`]: publishCheckRequest,
  [`${PUBLISH}/done`]: publishDoneMessage,
  [`${PUBLISH}/fail`]: publishFailMessage,
  [`${PUBLISH}/fault`]: faultMessage,
  [`${PUBLISH}/progress`]: publishProgressMessage,
  "POST /worker/v1/report/claim": claimRequest,
  "POST /worker/v1/report/:id/answer": reportAnswer,
};

/** What means something to some route. */
export const WORDS: readonly string[] = [
  "dev",
  "testing",
  "stable",
  "acme/hello",
  "acme/own",
  "acme",
  "hello",
  "own",
  "main",
  "refs/heads/main",
  "el9.x86_64",
  "debian12.x86_64",
  "unit",
  "checkout",
  "x86_64",
  "w8",
  "p8",
  "NPM_TOKEN",
  "a-secret-of-many-characters",
  "hello-1-1.el9.x86_64",
  "updateinfo",
  "comps",
  "running",
  "failed",
  "true",
  "1",
  "2",
  "100",
  "2026-01-01T00:00:00Z",
  "a".repeat(40),
  "a".repeat(64),
];

export const QUERY_NAMES: readonly string[] = (
  "limit before after state repo query q target to from nevra files files-from offset job " +
  "step attempt tail line count format dry-run fresh service t next _have for family kind " +
  "package all "
)
  .trim()
  .split(" ");

export const FORM_FIELDS: readonly string[] = (
  "token next theme ref params fresh withItsFile kind package what build all from to channel " +
  "force refuse note generation nevra isPinned __proto__ a[b] "
)
  .trim()
  .split(" ");
