import { signal } from "@preact/signals";
import { Icon } from "./icon.tsx";

type Notice = { readonly id: number; readonly tone: "ok" | "bad"; readonly text: string };

const SHOWN_MS = 10_000;
const SHOWN_MAX = 4;

const notices = signal<readonly Notice[]>([]);
let nextId = 1;

/** Says something for a while, to screen readers too. */
export function say(tone: Notice["tone"], text: string): void {
  const notice = { id: nextId, tone, text };
  nextId += 1;
  notices.value = [...notices.value, notice].slice(-SHOWN_MAX);
  setTimeout(() => dismiss(notice.id), SHOWN_MS);
}

function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function Notices() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, tone, text }) => (
        <div key={id} class={`notice notice-${tone}`}>
          <Icon name={tone === "ok" ? "check" : "bang"} />
          <span>{text}</span>
          <button type="button" class="plain" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
