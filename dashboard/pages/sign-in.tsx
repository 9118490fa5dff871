import { useRef } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import { Page } from "../parts/page.tsx";
import { signIn, signInProblem } from "../session.ts";

export function SignInPage() {
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const value = field.current?.value.trim() ?? "";
    if (value !== "") signIn(value);
  };
  const problem = signInProblem.value;
  return (
    <Page title="Sign in" name="Sign in">
      <form class="box sign-in" onSubmit={submit}>
        {problem !== undefined && (
          <div class="message message-bad" role="alert">
            <Icon name="bang" />
            <p>{problem}</p>
          </div>
        )}
        <label>
          Token of an operator
          <input ref={field} type="password" autocomplete="off" required maxLength={8_192} />
        </label>
        <button type="submit" class="first">
          Sign in
        </button>
        <p class="quiet">
          The local control plane prints it, or keeps it in <code>operator-token</code> of its data
          folder; on AWS it is a token of your identity provider. This tab keeps it until it is
          closed.
        </p>
      </form>
    </Page>
  );
}
