// What the agent says, kept for all pages: asked once, then told of every change.
import { commands, events, type Problem, type StatusPage } from "./bindings";

let page = $state<StatusPage | undefined>();

/** The status; `undefined` for the moment before the first answer. */
export function status(): StatusPage | undefined {
  return page;
}

/** Follows the agent until the returned function is called. */
export function follow(): () => void {
  let newer = false;
  const heard = events.statusChanged.listen((event) => {
    newer = true;
    page = event.payload;
  });
  // Heard first and asked second: nothing between the two is missed, and an answer that was
  // overtaken by an event is old.
  void heard.then(async () => {
    const asked = await commands.status();
    if (!newer) page = asked;
  });
  return () => {
    newer = true;
    page = undefined;
    void heard.then((stop) => stop());
  };
}

type Answer<T> = { status: "ok"; data: T } | { status: "error"; error: Problem };

/** One question under way: `busy` while it is, its `problem` when it failed. */
export class Question {
  busy = $state(false);
  problem = $state<Problem | undefined>();

  /** The answer, or `undefined` with the problem kept for the page. */
  async ask<T>(answer: Promise<Answer<T>>): Promise<T | undefined> {
    this.busy = true;
    this.problem = undefined;
    try {
      const got = await answer;
      if (got.status === "ok") return got.data;
      this.problem = got.error;
    } catch (error) {
      this.problem = { code: "window_broken", message: String(error), args: {} };
    } finally {
      this.busy = false;
    }
    return undefined;
  }
}
