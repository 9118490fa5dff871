import { computed, signal } from "@preact/signals";

const KEY = "switchyard.theme";
const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(prefersDark.matches);
prefersDark.addEventListener("change", ({ matches }) => {
  isSystemDark.value = matches;
});

/** What the person has chosen; `theme.js` has set it before the first paint. */
export const theme = signal<Theme>(chosenTheme());
export const shownTheme = computed(() =>
  theme.value === "system" ? (isSystemDark.value ? "dark" : "light") : theme.value,
);

export function chooseTheme(next: Theme): void {
  localStorage.setItem(KEY, next);
  document.documentElement.dataset.theme = next;
  theme.value = next;
}

export function nextTheme(now: Theme): Theme {
  return themes[(themes.indexOf(now) + 1) % themes.length] ?? "system";
}

function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEY);
  return themes.find((one) => one === kept) ?? "system";
}
