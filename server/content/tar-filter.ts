import { pipeline, Readable } from 'node:stream';
import { extract, pack } from 'tar-stream';

/** Passes a tar on without the entries of these paths. Errors destroy the result, and the result's end its source. */
export const withoutPaths = (source: Readable, paths: ReadonlySet<string>): Readable => {
  const from = extract();
  const to = pack();
  from.on('entry', (header, body, next) => {
    if (paths.has(header.name.replace(/\/$/, ''))) {
      body.resume();
      body.on('end', next);
      return;
    }
    const entry = to.entry(header, (error) => next(error ?? undefined));
    body.pipe(entry);
  });
  from.on('finish', () => to.finalize());
  pipeline(source, from, (error) => {
    if (error) to.destroy(error);
  });
  to.on('close', () => source.destroy());
  return Readable.from(to as AsyncIterable<Buffer>, { objectMode: false });
};
