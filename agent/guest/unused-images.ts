import { removeImages } from "../storage/copy-images.ts";
import type { Manifest } from "./manifest.ts";

/**
 * Removes the images that the agent made for a process that has ended, if its guest has never run in
 * it: the guest's disks are the source's then. From the run grant on they are the guest's own.
 */
export function removeUnusedImages({ permittedToRun, images }: Manifest): void {
  if (!permittedToRun) removeImages(images);
}
