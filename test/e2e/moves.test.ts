import { describeMoves } from "./testing/moves.ts";

describeMoves({ http: false });
