const EVENT_CHARACTERS_MAX = 32 * 2 ** 20;

export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** Server-sent events, as they come. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncIterable<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    if (rest.length > EVENT_CHARACTERS_MAX) throw new Error("An event of the server has no end.");
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event !== undefined) yield event;
    }
  }
}

function parseEvent(block: string): ServerEvent | undefined {
  const lines = block.split(/\r?\n/);
  const values = (field: string): readonly string[] =>
    lines
      .filter((line) => line.startsWith(`${field}:`))
      .map((line) => line.slice(field.length + 1).replace(/^ /, ""));
  const data = values("data");
  return data.length === 0
    ? undefined
    : { name: values("event")[0] ?? "message", data: data.join("\n") };
}
