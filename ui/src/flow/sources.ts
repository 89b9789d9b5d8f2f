import type { SourceCard } from "../bindings";

/** One source, or several that are alike. */
export type Alike = [SourceCard, ...SourceCard[]];

/** Neighbours that are silent for the same reason share a box: browsers that are not there, say. */
export function alike(sources: SourceCard[]): Alike[] {
  const groups: Alike[] = [];
  for (const source of sources) {
    const group = groups.at(-1);
    if (group && silent(group[0]) && silent(source) && same(group[0], source)) group.push(source);
    else groups.push([source]);
  }
  return groups;
}

function silent(source: SourceCard): boolean {
  return !source.chosen && source.error === "";
}

function same(one: SourceCard, other: SourceCard): boolean {
  return one.says.english === other.says.english && one.origin.english === other.origin.english;
}
