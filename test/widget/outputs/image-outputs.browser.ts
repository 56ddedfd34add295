import { expect } from 'chai';
import {
  PIXEL,
  GIF,
  SVG,
  eventually,
  display,
  createStage,
  type OutputStage,
} from '../../helpers/browser/output-stage.ts';

describe('image outputs', () => {
  let stage: OutputStage;

  beforeEach(() => {
    stage = createStage();
  });
  afterEach(() => stage.leave());

  for (const [type, data, as] of [
    ['image/png', PIXEL, 'image/png'],
    ['image/gif', GIF, 'image/gif'],
    ['image/jpeg', PIXEL, 'image/png'],
    ['image/svg+xml', SVG, 'image/svg+xml'],
  ] as const) {
    it(`shows ${type} as an image of what its bytes are, and revokes its address`, async () => {
      await stage.apply(display({ [type]: data, 'text/plain': '<Figure size 2x1 with 1 Axes>' }));
      const image = stage.find<HTMLImageElement>('img');
      await eventually(() => image.complete && image.naturalWidth > 0);
      expect(image.alt).to.equal('Figure size 2x1 with 1 Axes');
      const blob = await (await fetch(image.src)).blob();
      expect(blob.type).to.equal(as);
      stage.dispose();
      expect(
        await fetch(image.src).then(
          () => 'reached',
          () => 'revoked',
        ),
      ).to.equal('revoked');
    });
  }

  it('keeps room for an image before it is decoded, and takes its size and its description from the metadata', async () => {
    await stage.apply(display({ 'image/png': PIXEL }, { 'image/png': { width: 200, height: 100, alt: 'A plot' } }));
    const image = await eventually(() => stage.root.querySelector('img'));
    expect([image.width, image.height, image.alt]).to.deep.equal([200, 100, 'A plot']);
    stage.model.clear();
    await stage.apply(display({ 'image/png': PIXEL }));
    const plain = await eventually(() => stage.root.querySelector('img:not([width="200"])'));
    expect([plain.getAttribute('width'), plain.getAttribute('alt')]).to.deep.equal(['2', 'Image made by this cell']);
  });

  it('says so when the data of an image are none, and shows the text', async () => {
    for (const data of ['bm90IGFuIGltYWdl', '%%%', `${PIXEL.slice(0, 40)}`]) {
      stage.model.clear();
      await stage.apply(display({ 'image/png': data, 'text/plain': 'the figure' }));
      const note = await eventually(() => stage.root.querySelector<HTMLElement>('.live-figure .live-note'));
      expect(note.innerText).to.equal('This image could not be shown: its data is not image/png.');
      expect(stage.shown('.live-figure pre')).to.equal('the figure');
    }
  });

  it('puts an updated image in the place of the old one only when it is decoded, and revokes the old', async () => {
    await stage.apply(display({ 'image/png': PIXEL }, {}, 'plot'));
    const first = stage.find<HTMLImageElement>('img');
    await eventually(() => first.complete);
    const figure = stage.find('.live-figure');
    await stage.apply({ type: 'update', displayId: 'plot', data: { 'image/gif': GIF }, metadata: {} });
    expect(figure.childElementCount).to.equal(1);
    const second = await eventually(
      () => stage.root.querySelector<HTMLImageElement>('img') !== first && stage.find<HTMLImageElement>('img'),
    );
    expect(second.complete).to.equal(true);
    expect(stage.find('.live-figure')).to.equal(figure);
    expect(
      await fetch(first.src).then(
        () => 'reached',
        () => 'revoked',
      ),
    ).to.equal('revoked');
  });

  it('lets a cleared plot stand until the next one comes, in the same place', async () => {
    await stage.apply(display({ 'image/png': PIXEL }));
    const figure = stage.find('.live-figure');
    await stage.apply({ type: 'clear', wait: true });
    expect(stage.find('.live-figure')).to.equal(figure);
    await stage.apply(display({ 'image/gif': GIF }));
    expect(stage.find('.live-figure')).to.equal(figure);
    expect(stage.root.querySelectorAll('.live-output')).to.have.length(1);
  });
});
