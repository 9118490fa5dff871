/** `*.KIND.test.ts` have a command of their own: `npm run test:slow`, `test:vfio`, and so on. */
export const kindsElsewhere = ["slow", "vfio", "infra", "browser"] as const;
