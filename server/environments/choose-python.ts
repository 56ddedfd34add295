import { HubError } from '../errors.ts';
import type { Runtime } from './detect.ts';
import type { Interpreter } from './interpreters.ts';
import { fitsSpecifier, isVersionSpecifier } from './version-specifier.ts';

export interface PythonWish {
  readonly runtime?: Runtime;
  /** `requires-python` and the file that holds it. */
  readonly requires?: { readonly specifier: string; readonly file: string };
}

export interface ChosenPython {
  readonly interpreter: Interpreter;
  readonly notice: string;
}

const listed = (interpreters: readonly Interpreter[]): string => {
  const versions = [...new Set(interpreters.map(({ version }) => version))];
  return versions.length === 0 ? 'no Python from 3.8 on' : `Python ${versions.join(', ')}`;
};

/** Chooses among this machine's interpreters (newest first): runtime.txt decides, then requires-python, else the newest. */
export const choosePython = (interpreters: readonly Interpreter[], { runtime, requires }: PythonWish): ChosenPython => {
  const newest = interpreters[0];
  if (newest === undefined)
    throw new HubError(
      'unsupported_environment',
      'This machine has no Python from 3.8 on that environments could be made from. Its owner can install one and start the hub again.',
    );

  if (runtime) {
    if (runtime.name !== 'python' || !/^\d+(\.\d+){0,2}$/.test(runtime.version))
      throw new HubError(
        'unsupported_environment',
        `${runtime.file} says “${runtime.text.slice(0, 60)}”, which is not understood here; a line such as python-3.12 is.`,
        { detail: { file: runtime.file, line: 1 } },
      );
    const { version } = runtime;
    const exact = interpreters.find((each) => each.version === version);
    const minor = version.split('.').slice(0, 2).join('.');
    const close = exact ?? interpreters.find((each) => each.version.startsWith(`${minor}.`));
    if (close === undefined)
      throw new HubError(
        'unsupported_environment',
        `${runtime.file} asks for Python ${version}, and this machine has ${listed(interpreters)}. Ask for one of these, or install Python ${minor} on the hub’s machine.`,
        { detail: { file: runtime.file, line: 1 } },
      );
    return {
      interpreter: close,
      notice:
        exact || version.split('.').length < 3
          ? `Python ${close.version}, as ${runtime.file} asks`
          : `Python ${close.version}: ${runtime.file} asks for ${version}, and this is the one of ${minor} that the machine has`,
    };
  }

  if (requires) {
    const { specifier, file } = requires;
    if (!isVersionSpecifier(specifier))
      throw new HubError(
        'build_failed',
        `${file}: requires-python “${specifier.slice(0, 60)}” is no version specifier such as “>=3.10”.`,
        { detail: { file } },
      );
    const fitting = interpreters.find(({ version }) => fitsSpecifier(version, specifier));
    if (fitting === undefined)
      throw new HubError(
        'unsupported_environment',
        `${file} requires Python ${specifier}, and this machine has ${listed(interpreters)}. Install a fitting one on the hub’s machine, or widen requires-python.`,
        { detail: { file } },
      );
    return {
      interpreter: fitting,
      notice: `Python ${fitting.version}, the newest here that fits ${specifier} (${file})`,
    };
  }
  return {
    interpreter: newest,
    notice: `Python ${newest.version}, the newest here: neither runtime.txt nor requires-python asks for another`,
  };
};
