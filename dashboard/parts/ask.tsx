import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { attempt } from "./action-button.tsx";

/** A question before something is done. */
export type Question = {
  readonly title: string;
  /** What it does, and what it does not. */
  readonly body: ComponentChildren;
  /** What the button says that does it. */
  readonly yes: string;
  readonly isDanger?: true;
  /** What is entered, such as a reason. */
  readonly fields?: readonly Field[];
  /** The same by the command line. */
  readonly command?: string;
  /** @param text what was entered into a field, by its name; empty without one */
  readonly act: (text: (name: string) => string) => Promise<string | undefined>;
};

export type Field = {
  readonly name: string;
  readonly label: string;
  readonly value?: string;
  readonly isOptional?: true;
  /** A whole number or a decimal one, from 0 on. */
  readonly kind?: "whole" | "decimal";
  readonly options?: readonly string[];
};

const question = signal<Question | undefined>(undefined);

export function ask(next: Question): undefined {
  question.value = next;
  return undefined;
}

/** The one dialog of the page: the platform's own keeps the focus, and Escape closes it. */
export function AskDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked !== undefined) dialog.current?.showModal();
  }, [asked]);
  if (asked === undefined) return null;
  const { title, body, yes, isDanger, fields = [], command, act } = asked;
  const close = () => {
    question.value = undefined;
  };
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    close();
    await attempt(() => act((name) => String(given.get(name) ?? "").trim()));
  };
  return (
    <dialog ref={dialog} aria-labelledby="ask-title" onClose={close}>
      <form method="dialog" onSubmit={submit}>
        <h2 id="ask-title">{title}</h2>
        {body}
        {fields.map((field) => (
          <FieldInput key={field.name} field={field} />
        ))}
        {command !== undefined && (
          <p class="quiet">
            The same by command line: <code>{command}</code>
          </p>
        )}
        <div class="row end">
          <button type="button" onClick={close}>
            Leave it
          </button>
          <button type="submit" class={isDanger ? "danger" : "first"}>
            {yes}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function FieldInput({ field }: { field: Field }) {
  const { name, label, value, isOptional, kind, options } = field;
  const common = { name, required: !isOptional, defaultValue: value ?? "" };
  if (options !== undefined) {
    return (
      <label>
        {label}
        <select name={name}>
          {options.map((option) => (
            <option key={option}>{option}</option>
          ))}
        </select>
      </label>
    );
  }
  if (kind === undefined) {
    return (
      <label>
        {label}
        <input type="text" maxLength={500} {...common} />
      </label>
    );
  }
  return (
    <label>
      {label}
      <input type="number" min={0} step={kind === "decimal" ? "any" : undefined} {...common} />
    </label>
  );
}
