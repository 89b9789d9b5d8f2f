// The catalogue is one for the whole project: Rust reads the same two files. A lookup needs no
// generated code, and the code of a problem is only known when it happens.
import english from "../../proxy-mirror/messages/en.json";
import japanese from "../../proxy-mirror/messages/ja.json";
import type { Problem, Said } from "./bindings";

export type Key = keyof typeof english;
export type Language = "en" | "ja";
export type Args = Record<string, string | number>;

// A key that one language lacks does not compile.
const catalogues: Record<Language, Record<Key, string>> = { en: english, ja: japanese };
const CHOICE = "gangway.language";

function chosenLanguage(): Language {
  const choice = localStorage.getItem(CHOICE) ?? navigator.language;
  return choice.startsWith("ja") ? "ja" : "en";
}

let current = $state<Language>(chosenLanguage());

export function language(): Language {
  return current;
}

export function speak(choice: Language): void {
  current = choice;
  localStorage.setItem(CHOICE, choice);
}

/** The text of a key, with `{name}` replaced by the argument of that name. */
export function m(key: Key, args: Args = {}): string {
  return filled(catalogues[current][key], args);
}

/** The name of a target; as the agent has it where the catalogue does not know it: a distro's. */
export function titleOf(target: { id: string; title: string }): string {
  return (catalogues[current][`title_${target.id.replace("-", "_")}` as Key] as string | undefined) ?? target.title;
}

/** What a problem says in the user's language; English where the catalogue does not know it. */
export function problemText(problem: Problem): string {
  const text = catalogues[current][`problem_${problem.code}` as Key] as string | undefined;
  return text === undefined ? problem.message : filled(text, { message: problem.message, ...problem.args });
}

/** A sentence in the user's language; English where the catalogue does not know it. */
export function said(sentence: Said): string {
  const text = catalogues[current][sentence.key as Key] as string | undefined;
  return text === undefined ? sentence.english : filled(text, sentence.args);
}

function filled(text: string, args: { [name in string]: string | number }): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(args[name] ?? whole));
}
