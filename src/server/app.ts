import express, { type Express, type NextFunction, type Request, type Response } from "express";
import { ZodError } from "zod";
import type { Logger } from "../shared/logger.ts";

export interface AppDeps {
  readonly logger: Logger;
  /** In the order in which they are asked. */
  readonly routers: readonly express.Router[];
  /** False while the disk is too full to accept anything. */
  readonly hasRoom: () => Promise<boolean>;
}

/** The HTTP process: what is common to all routes. */
export function createApp({ logger, routers, hasRoom }: AppDeps): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("etag", false);
  app.use("/webhooks", async (_request, response, next) => {
    if (await hasRoom()) return next();
    response.status(503).json({ error: "The disk is full; nothing is accepted now." });
  });
  for (const router of routers) app.use(router);
  app.use((request: Request, response: Response) => {
    response.status(404).json({ error: `There is nothing at ${request.path}.` });
  });
  app.use((err: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(err);
    const { status, message } = describe(err);
    if (status >= 500) logger.error({ err, path: request.path }, "Request failed");
    response.status(status).json({ error: message });
  });
  return app;
}

function describe(err: unknown): { readonly status: number; readonly message: string } {
  if (err instanceof ZodError) return { status: 400, message: err.issues[0]?.message ?? "bad request" };
  const { status, expose, message } = (err ?? {}) as {
    status?: unknown;
    expose?: unknown;
    message?: unknown;
  };
  // Express' own parsers say what is wrong with a request; everything else stays ours.
  if (typeof status === "number" && status < 500 && expose === true) {
    return { status, message: String(message) };
  }
  return { status: 500, message: "The server failed; it has been logged." };
}
