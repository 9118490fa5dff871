import { answerRequestsBy } from "../api.ts";
import { nowMs } from "../clock.ts";
import { signIn } from "../session.ts";
import recordingUrl from "./recording.json?url";
import { requestKey } from "./request-key.ts";

type Recording = { recordedAt: string; answers: Record<string, unknown> };

/** The pages over answers that a real control plane gave once; the clock stands still at that time. */
export async function startPreview(): Promise<void> {
  const answer = await fetch(recordingUrl);
  const { recordedAt, answers } = (await answer.json()) as Recording;
  nowMs.value = Date.parse(recordedAt);
  answerRequestsBy(async (input, init) => {
    const key = requestKey(String(input), init);
    const found = answers[key];
    return found === undefined ? refusal(key) : Response.json(found);
  });
  signIn("preview");
}

function refusal(key: string): Response {
  const isRead = key.startsWith("GET ");
  const detail = isRead
    ? `This preview has no answer for ${key}`
    : "This is a preview over recorded answers: nothing can be changed";
  const code = isRead ? "not-recorded" : "preview";
  return Response.json({ title: "Preview", detail, code }, { status: isRead ? 404 : 405 });
}
