/** Block nodes and the dirty bitmaps on them. */
export type BlockLayer = {
  readonly nodes: Map<string, BlockNode>;
};

export type BlockNode = {
  readonly driver: string;
  readonly sizeBytes: number;
  /** The `id` of the -drive that it came with. */
  readonly driveId: string | undefined;
  readonly file: string | undefined;
  readonly isReadOnly: boolean;
  readonly bitmaps: Map<string, DirtyBitmap>;
};

export type DirtyBitmap = {
  readonly granularityBytes: number;
  readonly isPersistent: boolean;
  isRecording: boolean;
  /** Busy with a migration. */
  isBusy: boolean;
};

export function createBlockLayer(): BlockLayer {
  return { nodes: new Map() };
}

export function createBlockNode(node: Partial<BlockNode> & Pick<BlockNode, "driver">): BlockNode {
  return {
    sizeBytes: 0,
    driveId: undefined,
    file: undefined,
    isReadOnly: false,
    bitmaps: new Map(),
    ...node,
  };
}

/** Every bitmap with the name of its node. */
export function listBitmaps(
  block: BlockLayer,
): Array<{ node: string; name: string; bitmap: DirtyBitmap }> {
  return [...block.nodes].flatMap(([node, { bitmaps }]) =>
    [...bitmaps].map(([name, bitmap]) => ({ node, name, bitmap })),
  );
}
