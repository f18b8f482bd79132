import { readFileSync } from 'node:fs';
import { SettingProblem, type Setting } from './setting.ts';

/** Variable that names the file with a secret, so that the secret itself is in no environment. */
export const secretFileOf = (env: string): string => `${env}_FILE`;

const isGiven = (text: string | undefined): text is string => text !== undefined && text !== '';

const readSecret = (variable: string, path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const code =
      typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'an error';
    throw new SettingProblem(`${variable} to name a file that can be read, got ${code}`);
  }
};

/**
 * Text of a setting: its variable or, for one that may hold a secret, the file that `<variable>_FILE` names, without
 * blanks and line ends around it. Undefined where neither is given.
 *
 * @throws SettingProblem both are given, the file cannot be read or is empty
 */
export const textOf = (
  each: Setting<unknown>,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined => {
  const given = env[each.env];
  const fileVariable = secretFileOf(each.env);
  const path = each.secret ? env[fileVariable] : undefined;
  if (!isGiven(path)) return isGiven(given) ? given : undefined;
  if (isGiven(given)) throw new SettingProblem(`one of ${each.env} and ${fileVariable}, got both`);
  const text = readSecret(fileVariable, path);
  if (text === '') throw new SettingProblem(`${fileVariable} to name a file with a value, got an empty one`);
  return text;
};
