import { clearMocks } from "@tauri-apps/api/mocks";
import { cleanup } from "@testing-library/svelte";
import { afterEach, beforeEach } from "vitest";
import { speak } from "../src/messages.svelte";

// happy-dom has no layout, so nothing is ever resized.
globalThis.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
};

beforeEach(() => speak("en"));
// In this order: a page that goes stops listening, which the mock has to hear.
afterEach(async () => {
  cleanup();
  await new Promise((settled) => setTimeout(settled));
  clearMocks();
});
