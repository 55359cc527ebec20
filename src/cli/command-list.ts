import type { Command, CommandEntry } from "./command.ts";
import { helpCommand } from "./commands/help.ts";

/** In the order of the help. Each is loaded when it is asked for: together they take half a second. */
export const COMMANDS: readonly CommandEntry[] = [
  entry("up", async () => (await import("./commands/up.ts")).up),
  entry("demo", async () => (await import("./commands/demo.ts")).demo),
  entry("doctor", async () => (await import("./commands/doctor.ts")).doctor),
  entry("init", async () => (await import("./commands/init.ts")).init),
  entry("check", async () => (await import("./commands/check.ts")).check),
  entry("explain", async () => (await import("./commands/explain.ts")).explain),
  entry("fix", async () => (await import("./commands/fix.ts")).fix),
  entry("run", async () => (await import("./commands/run.ts")).run),
  entry("try", async () => (await import("./commands/try.ts")).tryCommand),
  entry("builds", async () => (await import("./commands/builds.ts")).builds),
  entry("watch", async () => (await import("./commands/watch.ts")).watch),
  entry("why", async () => (await import("./commands/why.ts")).why),
  entry("tests", async () => (await import("./commands/tests.ts")).tests),
  entry("log", async () => (await import("./commands/log.ts")).log),
  entry("shell", async () => (await import("./commands/shell.ts")).shell),
  entry("replay", async () => (await import("./commands/replay.ts")).replay),
  entry("artifacts", async () => (await import("./commands/artifacts.ts")).artifacts),
  entry("build", async () => (await import("./commands/build.ts")).build),
  entry("rerun", async () => (await import("./commands/rerun.ts")).rerun),
  entry("rebuild", async () => (await import("./commands/rebuild.ts")).rebuild),
  entry("cancel", async () => (await import("./commands/cancel.ts")).cancel),
  entry("approve", async () => (await import("./commands/approve.ts")).approve),
  entry("queue", async () => (await import("./commands/queue.ts")).queue),
  entry("worker", async () => (await import("./commands/worker.ts")).worker),
  entry("backup", async () => (await import("./commands/backup.ts")).backup),
  entry("restore", async () => (await import("./commands/restore.ts")).restore),
  entry("packages", async () => (await import("./commands/packages.ts")).packages),
  entry("promote", async () => (await import("./commands/promote.ts")).promote),
  entry("undo", async () => (await import("./commands/undo.ts")).undo),
  entry("yank", async () => (await import("./commands/yank.ts")).yank),
  entry("channel", async () => (await import("./commands/channel.ts")).channel),
  entry("allow", async () => (await import("./commands/allow.ts")).allow),
  entry("name", async () => (await import("./commands/name.ts")).name),
  entry("secret", async () => (await import("./commands/secret.ts")).secret),
  entry("cache", async () => (await import("./commands/cache.ts")).cache),
  entry("key", async () => (await import("./commands/key.ts")).key),
  entry("help", async () => helpCommand(() => COMMANDS)),
  entry("version", async () => (await import("./commands/version.ts")).version),
];

function entry(name: string, load: () => Promise<Command>): CommandEntry {
  return { name, load };
}
