import { createHash } from "node:crypto";
import type { Owner } from "../engine.ts";

/** Labels of everything that a job makes on the engine. */
export const LABEL = {
  worker: "dev.tatara.worker",
  job: "dev.tatara.job",
  attempt: "dev.tatara.attempt",
  step: "dev.tatara.step",
  /** What the network of a container let out, for a shell in it later. */
  egress: "dev.tatara.egress",
} as const;

/**
 * Label of the images we build. It says nothing about the job: an image's labels pass to containers
 * that somebody else runs from it, and a constant one keeps a fully cached build fully cached.
 */
export const IMAGE_LABEL = "dev.tatara.image";

/** Repositories of the tags that keep images of ours from being dangling. */
export const IMAGE_TAGS = {
  built: "tatara-build",
  partial: "tatara-partial",
  layer: "tatara-layer",
  kept: "tatara-kept",
} as const;

export function labelsOf(owner: Owner): Record<string, string> {
  return {
    [LABEL.worker]: owner.workerId,
    [LABEL.job]: owner.jobId,
    [LABEL.attempt]: String(owner.attempt),
    [LABEL.step]: owner.step,
  };
}

export function nameOf(owner: Owner, suffix = ""): string {
  const { jobId, attempt, step } = owner;
  return ["tatara", safe(jobId), attempt, safe(step) + suffix].join("-");
}

/** Whose a thing of that name is, as its name alone tells; undefined for names that are not ours. */
export function jobInName(
  name: string,
): { readonly jobId: string; readonly attempt: number } | undefined {
  const [, jobId, attempt] = /^tatara-(j-[0-9a-z]{12})-(\d+)-./.exec(name) ?? [];
  return jobId === undefined ? undefined : { jobId, attempt: Number(attempt) };
}

/**
 * Labels never change, names do: what is kept beyond its attempt's life says in its name until when.
 * Whoever finds it, this worker or a later one, knows that it is no leftover before.
 */
export function keptName(until: number, owner: Owner): string {
  return `${IMAGE_TAGS.kept}-${Math.ceil(until / 1000)}-${nameOf(owner)}`;
}

/** Until when the thing of that name is kept; undefined for every other name. */
export function keptUntil(name: string): number | undefined {
  const seconds = /^\/?tatara-kept[-:](\d+)-/.exec(name)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

/** Fit for names on the engine; what had to be changed gets a hash, so that two never become one. */
export function safe(text: string): string {
  const plain = text.replace(/[^a-zA-Z0-9_.-]+/g, "_").slice(0, 60);
  if (plain === text) return plain;
  return `${plain}.${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
}

/**
 * The cgroup of one worker's containers, below ours: it names the worker even where the engine keeps
 * no label (containers of a build that a killed daemon left). Slices are the systemd driver's form,
 * in which a plain `-` would mean another level.
 */
export function cgroupOf(cgroupParent: string, workerId: string): string {
  const slice = sliceName(cgroupParent);
  if (slice === undefined) return `${cgroupParent}/${safe(workerId)}`;
  return `${slice}-${safe(workerId).replaceAll("-", "\\x2d")}.slice`;
}

/** The worker that a container's cgroup parent names; undefined for cgroups that are not ours. */
export function workerOfCgroup(cgroupParent: string, found: string): string | undefined {
  const slice = sliceName(cgroupParent);
  if (slice === undefined) return after(found, `${cgroupParent}/`);
  return after(sliceName(found) ?? "", `${slice}-`)?.replaceAll("\\x2d", "-");
}

function sliceName(cgroup: string): string | undefined {
  return cgroup.endsWith(".slice") ? cgroup.slice(0, -".slice".length) : undefined;
}

function after(text: string, prefix: string): string | undefined {
  return text.startsWith(prefix) ? text.slice(prefix.length) : undefined;
}
