import { join } from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { pythonSide } from '../../helpers/python-side.ts';

/** Writes a wheel of one module, so that packages can be installed without an index; returns its path. */
export const writeWheel = async (folder: string, name: string, source: string): Promise<string> => {
  const { python } = await pythonSide();
  const path = join(folder, `${name}-1.0-py3-none-any.whl`);
  const info = `${name}-1.0.dist-info`;
  const files = {
    [`${name}.py`]: source,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/RECORD`]: `${name}.py,,\n${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n`,
  };
  const pack =
    'import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w") as zip:\n    for name, text in json.loads(sys.argv[2]).items(): zip.writestr(name, text)';
  await promisify(execFile)(python, ['-c', pack, path, JSON.stringify(files)]);
  return path;
};
