import { pipeline } from "node:stream/promises";
import { json, Router, type Request, type RequestHandler, type Response } from "express";
import { pack } from "tar-stream";
import { keptMessage } from "../../shared/build-messages.ts";
import { stepName } from "../../shared/message-parts.ts";
import { PATHS } from "../../shared/protocol.ts";
import type { Announcer } from "../announcer.ts";
import type { ArtifactFiles } from "../artifact-files.ts";
import { keptFilesOf, keptOfProject, recordKept } from "../store/kept-files.ts";
import type { KeptView } from "../views.ts";
import { leasedJob } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import { keptJson } from "./build-json.ts";
import { FILE_POLICY, dataHeaders } from "./headers.ts";
import { answerOrStale, leaseTokenOf, onlyWorkers } from "./worker-auth.ts";

/** 10,000 paths, none of them short. */
const MESSAGE_MAX = "32mb";

export interface KeptRoutesDeps {
  readonly store: Store;
  readonly announcer: Announcer;
  readonly artifacts: ArtifactFiles;
  readonly token: string;
  /** Lets in who may see builds. */
  readonly readers: RequestHandler;
  readonly publicUrlOf: (request: Request) => string;
}

/** Files that steps keep: a worker tells of them, people and programs download them. */
export function keptRoutes(deps: KeptRoutesDeps): Router {
  const router = Router();
  const message = json({ limit: MESSAGE_MAX });
  router.post(PATHS.kept(":id", ":step"), onlyWorkers(deps.token), message, tellKept(deps));
  router.get(PATHS.keptByTests(":id"), onlyWorkers(deps.token), listForJob(deps));
  router.get(PATHS.artifact(":id", ":sha256"), onlyWorkers(deps.token), sendToJob(deps));
  const readers = [deps.readers, dataHeaders];
  router.get("/api/builds/:id/kept", ...readers, listKept(deps));
  router.get("/api/builds/:id/kept.tar", ...readers, sendAll(deps));
  router.get("/api/builds/:id/kept/:job/:step/*path", ...readers, sendOne(deps));
  return router;
}

function tellKept({ store, announcer, artifacts }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const message = keptMessage.parse(request.body);
    for (const { sha256, path } of message.files) {
      if ((await artifacts.find(sha256)) === undefined) {
        return void response.status(400).json({ error: `${path} was not uploaded` });
      }
    }
    const step = stepName.parse(request.params["step"]);
    const lease = { jobId: String(request.params["id"]), token: leaseTokenOf(request) };
    const changed = await store.write((tx) => recordKept(tx, lease, step, message));
    if (changed !== undefined) announcer.announce(changed);
    answerOrStale(response, changed && {});
  };
}

function listForJob({ store }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const job = await leasedJob(store, String(request.params["id"]), leaseTokenOf(request));
    if (job?.state !== "running") return answerOrStale(response, undefined);
    const files = await keptOfProject(store, job);
    response.json({
      files: files.map(({ path, sizeBytes, sha256, isExecutable }) => {
        return { path, sizeBytes, sha256, isExecutable };
      }),
    });
  };
}

/** Only what that list names: a job of one repo reads nothing of another's. */
function sendToJob({ store, artifacts }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const job = await leasedJob(store, String(request.params["id"]), leaseTokenOf(request));
    if (job?.state !== "running") return answerOrStale(response, undefined);
    const { sha256 } = request.params;
    const found = (await keptOfProject(store, job)).find((file) => file.sha256 === sha256);
    if (found === undefined || (await artifacts.find(found.sha256)) === undefined) {
      response.status(404).json({ error: "The job has no such file." });
      return;
    }
    response.type("application/octet-stream");
    await sent(pipeline(artifacts.read(found.sha256), response), response);
  };
}

function listKept({ store, publicUrlOf }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const buildId = String(request.params["id"]);
    const files = await keptFilesOf(store, buildId);
    response.json({ files: files.map((file) => keptJson(buildId, file, publicUrlOf(request))) });
  };
}

/** What a build made is a download, whatever its name says: never something that a browser shows. */
function sendOne({ store, artifacts }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const { id, job, step } = request.params;
    const parts: unknown = request.params["path"];
    const path = Array.isArray(parts) ? parts.join("/") : String(parts);
    const files = await keptFilesOf(store, String(id));
    const found = files.find((one) => one.jobId === job && one.step === step && one.path === path);
    const file = found && (await artifacts.find(found.sha256));
    if (found === undefined || file === undefined) {
      response.status(404).json({
        error: "The build has no such file, or it has expired.",
        hint: "GET /api/builds/<id>/kept lists them.",
      });
      return;
    }
    response.set({ "Content-Security-Policy": FILE_POLICY, ETag: `"${found.sha256}"` });
    response.attachment(path.slice(path.lastIndexOf("/") + 1)).type("application/octet-stream");
    response.set("Content-Length", String(file.sizeBytes));
    await sent(pipeline(artifacts.read(found.sha256), response), response);
  };
}

/** Streamed as it is read: nothing of it is ever in memory as a whole. */
function sendAll({ store, artifacts }: KeptRoutesDeps): RequestHandler {
  return async (request, response) => {
    const files = await keptFilesOf(store, String(request.params["id"]));
    if (files.length === 0) {
      response.status(404).json({ error: "The build keeps no files." });
      return;
    }
    response.set("Content-Security-Policy", FILE_POLICY);
    response.attachment("kept.tar").type("application/x-tar");
    const tar = pack();
    const writing = writeTar(tar, files, artifacts).catch((err: unknown) => {
      tar.destroy(err instanceof Error ? err : new Error(String(err)));
    });
    await sent(pipeline(tar, response), response);
    await writing;
  };
}

async function writeTar(
  tar: ReturnType<typeof pack>,
  files: readonly KeptView[],
  artifacts: ArtifactFiles,
): Promise<void> {
  for (const { jobName, step, path, sha256, isExecutable } of files) {
    if (tar.destroyed) return;
    const file = await artifacts.find(sha256);
    if (file === undefined) continue;
    const name = `${folderName(jobName)}/${step}/${path}`;
    const mode = isExecutable ? 0o755 : 0o644;
    // As it is on disk: with another size than was said the tar would wait for the rest for ever.
    const entry = tar.entry({ name, size: file.sizeBytes, mode, uid: 0, gid: 0 });
    await pipeline(artifacts.read(sha256), entry);
  }
  tar.finalize();
}

/** `api el9.x86_64` as a folder. */
function folderName(jobName: string): string {
  return jobName.replaceAll(/[^A-Za-z0-9._-]+/g, "-") || "job";
}

/** A reader that went away is no fault of anybody. */
async function sent(sending: Promise<void>, response: Response): Promise<void> {
  await sending.catch((err: unknown) => {
    if (!response.headersSent) throw err;
    response.destroy();
  });
}
