import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "./icon.tsx";
import { Page, ReadState } from "./page.tsx";

type PageOf = FunctionComponent<{ id: string }>;
type Props = { name: string; id: string; load: () => Promise<PageOf> };

/** A page whose code is loaded when it is opened. */
export function LoadedPage({ name, id, load }: Props) {
  const [loaded, setLoaded] = useState<{ Shown: PageOf } | undefined>(undefined);
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    load().then(
      (Shown) => setLoaded({ Shown }),
      () => setFailed(true),
    );
  }, []);
  if (loaded !== undefined) return <loaded.Shown id={id} />;
  return (
    <Page title={id || name} name={name}>
      {hasFailed ? (
        <div class="message message-bad" role="alert">
          <Icon name="bang" />
          <p>The code of this page could not be loaded. Reload the page to try again.</p>
        </div>
      ) : (
        <ReadState error={undefined} isThere={false} />
      )}
    </Page>
  );
}
