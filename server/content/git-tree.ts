import { checkPath, ContentMeter, type ContentLimits } from './content-limits.ts';
import type { ContentEntry } from './content.ts';

/** A path of a git tree with the id of its object. */
export interface TreeEntry extends ContentEntry {
  readonly object: string;
}

const MODES: readonly string[] = ['100644', '100755', '120000', '160000'] satisfies ContentEntry['mode'][];
const LINE = /^(\d{6}) \w+ ([0-9a-f]{40,64}) +(\d+|-)\t/;

/** Reads `git ls-tree -r -l -z` piece by piece, so that a tree of any size is given up at its limit, not after it. */
export class TreeReader {
  readonly entries: TreeEntry[] = [];
  readonly #meter: ContentMeter;
  readonly #limits: ContentLimits;
  #rest: Buffer = Buffer.alloc(0);

  constructor(limits: ContentLimits) {
    this.#limits = limits;
    this.#meter = new ContentMeter(limits);
  }

  get bytes(): number {
    return this.#meter.bytes;
  }

  /** Throws HubError `clone_limit` or `policy`. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(0, from); end >= 0; end = bytes.indexOf(0, from)) {
      this.#add(bytes.subarray(from, end));
      from = end + 1;
    }
    this.#rest = bytes.subarray(from);
    // A path that never ends must not fill the memory either.
    if (this.#rest.length > this.#limits.maxPathBytes + 256) this.#meter.add(this.#rest, 0);
  }

  #add(line: Buffer): void {
    const head = LINE.exec(line.toString('latin1', 0, 128));
    if (head === null) throw new Error(`git listed a tree in an unknown form: ${line.toString('utf8', 0, 80)}`);
    const [whole, mode = '', object = '', size = ''] = head;
    const path = line.subarray(whole.length);
    const sizeBytes = size === '-' ? 0 : Number(size);
    this.#meter.add(path, sizeBytes);
    const text = path.toString();
    checkPath(text);
    // Old tools wrote 100664; git itself reads any such mode as a plain file.
    const known = MODES.includes(mode) ? (mode as ContentEntry['mode']) : '100644';
    this.entries.push({ path: text, mode: known, sizeBytes, object });
  }
}
