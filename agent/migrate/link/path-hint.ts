/** What may be wrong where small packets arrive and others do not. */
export const PATH_HINT =
  "the path may drop packets of full size. Compare the MTU of both hosts' interfaces and of the switches between them (`ping -M do -s 1472`)";
