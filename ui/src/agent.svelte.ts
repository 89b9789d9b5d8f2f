// What the agent says, kept for all pages: asked once, then told of every change.
import { commands, events, type Problem, type StatusPage } from "./bindings";

let page = $state<StatusPage | undefined>();

/** The status; `undefined` for the moment before the first answer. */
export function status(): StatusPage | undefined {
  return page;
}

/** Follows the agent until the returned function is called. */
export function follow(): () => void {
  let ended = false;
  // Heard first and asked second: nothing that happens between the two is missed.
  const heard = events.statusChanged.listen((event) => (page = event.payload));
  void heard.then(async () => {
    const asked = await commands.status();
    if (!ended) page = asked;
  });
  return () => {
    ended = true;
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
