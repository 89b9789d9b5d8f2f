/** One drawn connection. */
export type Line = { key: string; path: string; head: string; carries: boolean };

/** Half the height of an arrow's head, in pixels. */
const HEAD = 4;

/**
 * The lines between the boxes of a flow: from each `data-from` (a source) to the engine, and from it
 * to each `data-to` (a target). The attribute says whether the line `carries` or is `idle`.
 */
export function linesOf(field: HTMLElement): Line[] {
  const engine = field.querySelector("[data-engine]");
  if (engine === null) return [];
  const origin = field.getBoundingClientRect();
  const middle = engine.getBoundingClientRect();
  const lines: Line[] = [];
  for (const [side, boxes] of [
    ["from", field.querySelectorAll("[data-from]")],
    ["to", field.querySelectorAll("[data-to]")],
  ] as const) {
    boxes.forEach((box, place) => {
      const rect = box.getBoundingClientRect();
      const [left, right] = side === "from" ? [rect, middle] : [middle, rect];
      const x0 = left.right - origin.left + 3;
      const x1 = right.left - origin.left - 3;
      // A box lines up with the engine where it can, so that most lines run straight.
      const y = rect.top + Math.min(rect.height / 2, 26) - origin.top;
      const atEngine = clamp(y, middle.top - origin.top + 14, middle.bottom - origin.top - 14);
      const [y0, y1] = side === "from" ? [y, atEngine] : [atEngine, y];
      const bend = (x1 - x0) / 2;
      lines.push({
        key: `${side}-${place}`,
        path: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`,
        head: `M${x1} ${y1}l${-HEAD * 1.5} ${-HEAD}v${2 * HEAD}Z`,
        carries: box.getAttribute(`data-${side}`) === "carries",
      });
    });
  }
  return lines;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, Math.max(low, high)));
}
