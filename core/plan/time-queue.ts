/** A queue of what comes at a time; of two at the same time, the one that was added first. */
export class TimeQueue<T> {
  readonly #entries: { readonly at: number; readonly order: number; readonly value: T }[] = [];
  #added = 0;

  get size(): number {
    return this.#entries.length;
  }

  /** When the earliest comes; undefined: there is none. */
  get nextAt(): number | undefined {
    return this.#entries[0]?.at;
  }

  add(at: number, value: T): void {
    const entry = { at, order: this.#added, value };
    this.#added += 1;
    let index = this.#entries.length;
    this.#entries.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** Takes the earliest. */
  next(): { at: number; value: T } | undefined {
    const first = this.#entries[0];
    const last = this.#entries.pop();
    if (first === undefined || last === undefined || this.#entries.length === 0) return first;
    this.#entries[0] = last;
    let index = 0;
    for (;;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#entries.length && this.#isBefore(child, least)) least = child;
      }
      if (least === index) return first;
      this.#swap(index, least);
      index = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const a = this.#entries[one];
    const b = this.#entries[other];
    if (a === undefined || b === undefined) return false;
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #swap(one: number, other: number): void {
    const a = this.#entries[one];
    const b = this.#entries[other];
    if (a === undefined || b === undefined) return;
    this.#entries[one] = b;
    this.#entries[other] = a;
  }
}
