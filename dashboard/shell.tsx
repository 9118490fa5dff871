import { signal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { attention, refreshFleet } from "./fleet.ts";
import { EvacuationsPage } from "./pages/evacuations.tsx";
import { FailuresPage } from "./pages/failures.tsx";
import { HostPage } from "./pages/host.tsx";
import { HostsPage } from "./pages/hosts.tsx";
import { MigrationPage } from "./pages/migration.tsx";
import { MigrationsPage } from "./pages/migrations.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { VmPage } from "./pages/vm.tsx";
import { VmsPage } from "./pages/vms.tsx";
import { AskDialog, ask } from "./parts/ask.tsx";
import { Icon } from "./parts/icon.tsx";
import { LoadedPage } from "./parts/loaded-page.tsx";
import { Notices } from "./parts/notices.tsx";
import { Page } from "./parts/page.tsx";
import { isPaused } from "./poller.ts";
import { type Route, routeOf } from "./routes.ts";
import { author, nameAuthor, signOut, token } from "./session.ts";
import { chooseTheme, nextTheme, theme } from "./theme.ts";

const route = signal<Route>(routeOf(location.hash));
addEventListener("hashchange", () => {
  route.value = routeOf(location.hash);
});

const links = [
  ["#/", "Overview", ["overview"]],
  ["#/migrations", "Migrations", ["migrations", "migration"]],
  ["#/evacuations", "Evacuations", ["evacuations", "evacuation"]],
  ["#/schedules", "Schedules", ["schedules"]],
  ["#/hosts", "Hosts", ["hosts", "host"]],
  ["#/vms", "VMs", ["vms", "vm"]],
  ["#/failures", "Failures", ["failures"]],
] as const;

/** Pages that few people open are read when they are. */
async function loadEvacuationPage() {
  return (await import("./pages/evacuation.tsx")).EvacuationPage;
}

async function loadSchedulesPage() {
  return (await import("./pages/schedules.tsx")).SchedulesPage;
}

/** The frame of every page. */
export function Shell() {
  const { page, id } = route.value;
  const isSignedIn = token.value !== undefined;
  // A new page is announced, and read from its title on.
  useEffect(() => {
    if (document.activeElement !== document.body) document.getElementById("title")?.focus();
    scrollTo(0, 0);
  }, [page, id]);
  const toMain = () => document.getElementById("title")?.focus();
  return (
    <>
      <button type="button" class="skip" onClick={toMain}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href="#/">
          <img src="./icon.svg" alt="" width="22" height="22" />
          Switchyard
        </a>
        {isSignedIn && <Navigation page={page} />}
        <div class="tools">
          {isSignedIn && <PollingButton />}
          <ThemeButton />
          {isSignedIn && <WhoButton />}
        </div>
      </header>
      <main>{isSignedIn ? pageOf(route.value) : <SignInPage />}</main>
      <Notices />
      <AskDialog />
    </>
  );
}

function pageOf({ page, id = "" }: Route): VNode {
  switch (page) {
    case "overview":
      return <OverviewPage />;
    case "migrations":
      return <MigrationsPage />;
    case "migration":
      return <MigrationPage key={id} id={id} />;
    case "evacuations":
      return <EvacuationsPage />;
    case "evacuation":
      return <LoadedPage key={id} id={id} name="Evacuation" load={loadEvacuationPage} />;
    case "schedules":
      return <LoadedPage key="" id="" name="Schedules" load={loadSchedulesPage} />;
    case "hosts":
      return <HostsPage />;
    case "host":
      return <HostPage key={id} id={id} />;
    case "vms":
      return <VmsPage />;
    case "vm":
      return <VmPage key={id} id={id} />;
    case "failures":
      return <FailuresPage />;
    case "missing":
      return (
        <Page title="No such page" name="No such page">
          <p>
            The address names no page. <a href="#/">Overview</a>
          </p>
        </Page>
      );
  }
}

function Navigation({ page }: { page: string }) {
  const persons = attention.value.filter(({ level }) => level === "person").length;
  return (
    <nav aria-label="Pages">
      {links.map(([href, name, pages]) => (
        <a
          key={href}
          href={href}
          aria-current={(pages as readonly string[]).includes(page) ? "page" : undefined}
        >
          {name}
          {href === "#/" && persons > 0 && (
            <span class="count">
              {persons}
              <span class="hidden"> things need a person</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function PollingButton() {
  const toggle = () => {
    isPaused.value = !isPaused.value;
    if (!isPaused.value) refreshFleet();
  };
  return (
    <button type="button" class="plain" aria-pressed={isPaused.value} onClick={toggle}>
      <Icon name={isPaused.value ? "pause" : "refresh"} />
      <span class="tool-name">{isPaused.value ? "Updates off" : "Live"}</span>
      <span class="hidden">, switch live updates {isPaused.value ? "on" : "off"}</span>
    </button>
  );
}

function ThemeButton() {
  const next = nextTheme(theme.value);
  return (
    <button type="button" class="plain" onClick={() => chooseTheme(next)}>
      <Icon name={theme.value === "dark" ? "dot" : "ring"} />
      <span class="tool-name">Theme: {theme.value}</span>
      <span class="hidden">, change to {next}</span>
    </button>
  );
}

function WhoButton() {
  const change = () =>
    ask({
      title: "Who are you?",
      body: (
        <p>
          Plans, approvals and pauses carry this name, for people to read.{" "}
          <button type="button" class="link" onClick={() => signOut()}>
            Sign out
          </button>
        </p>
      ),
      yes: "Use this name",
      fields: [{ name: "name", label: "Name (letters, digits and . _ @ -)", value: author.value }],
      act: async (text) => {
        const name = text("name");
        if (!/^[\w.@-]{1,64}$/.test(name)) {
          throw new Error(`Expected 1 to 64 letters, digits and . _ @ -, got \`${name}\``);
        }
        nameAuthor(name);
        return `You are ${name}`;
      },
    });
  return (
    <button type="button" class="plain" onClick={change}>
      <span class="hidden">You are </span>
      {author.value}
    </button>
  );
}
