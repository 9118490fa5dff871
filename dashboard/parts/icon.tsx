const paths = {
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  bang: "M8 2.5v7M8 12.6v.9",
  dash: "M3 8h10",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  arrow: "M2.5 8h10.5M9 4l4 4-4 4",
  clock: "M8 2a6 6 0 1 0 0 12a6 6 0 0 0 0-12M8 5v3.2l2.2 1.4",
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
} as const;

export type IconName = keyof typeof paths | "dot" | "ring";

/** A small sign beside a word, which says the same. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {name === "dot" && <circle cx="8" cy="8" r="4.5" class="icon-fill" />}
      {name === "ring" && <circle cx="8" cy="8" r="4.5" />}
      {name !== "dot" && name !== "ring" && <path d={paths[name]} />}
    </svg>
  );
}
