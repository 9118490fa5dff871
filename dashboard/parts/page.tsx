import type { ComponentChildren } from "preact";
import { useEffect, useId } from "preact/hooks";
import { ApiError } from "../../client/api-error.ts";
import { problemText } from "../api.ts";
import { Icon } from "./icon.tsx";

type Shown = {
  title: ComponentChildren;
  /** Of the browser's tab. */
  name: string;
  /** What kind of thing the title names. */
  kind?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
};

export function Page({ title, name, kind, aside, children }: Shown) {
  useEffect(() => {
    document.title = `${name} · Switchyard`;
  }, [name]);
  return (
    <>
      <header class="page-head">
        <div>
          {kind !== undefined && <p class="kind">{kind}</p>}
          <h1 id="title" tabIndex={-1}>
            {title}
          </h1>
        </div>
        {aside !== undefined && <div class="row">{aside}</div>}
      </header>
      {children}
    </>
  );
}

type Boxed = {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
};

export function Section({ title, aside, children, class: name = "" }: Boxed) {
  const id = useId();
  return (
    <section class={`box ${name}`} aria-labelledby={id}>
      <div class="box-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** In place of what has not come, or beside what is old because it cannot be read any more. */
export function ReadState({ error, isThere }: { error: unknown; isThere: boolean }) {
  if (error === undefined) {
    return isThere ? null : (
      <p class="quiet" role="status">
        Reading …
      </p>
    );
  }
  const isMissing = error instanceof ApiError && error.status === 404;
  const also = isThere ? "What is shown is old. " : "";
  return (
    <div class="message message-bad" role="alert">
      <Icon name="bang" />
      <p>
        {also}
        {problemText(error)}.{isMissing ? "" : " It is tried again."}
      </p>
    </div>
  );
}

/** Names with their values, in as many columns as there is room for. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
