import type * as z from "zod";
import type { EventPage } from "../../../core/fleet-event/fleet-event.ts";

const page: z.input<typeof EventPage> = {
  items: [
    {
      id: "evt_01M8N1VNDJ2TD7XCBRST3FAP8W",
      at: "2026-11-30T09:14:02.771Z",
      type: "host.cordoned",
      subject: "hosts/host-a",
      data: { host: "host-a", owners: ["alice"], message: "new memory" },
    },
  ],
  cursor: "2026-11-30T09:14:02.775Z#5f0c2a91e7d3",
  more: false,
};

export const eventExamples = { page };
