import { describe, expect, it } from '@jest/globals';
import { parseSources, sourcesFor } from './apt-sources.ts';

const deb822 = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
`;

describe('sourcesFor', () => {
  it('takes the release’s own entry of a .sources file with its mirror and key, for another release', () => {
    expect(sourcesFor(parseSources(deb822, true), 'bookworm', 'trixie')).toBe(
      [
        'Types: deb',
        'URIs: http://mirror.example/debian',
        'Suites: trixie',
        'Components: main',
        'signed-by: /usr/share/keyrings/debian-archive-keyring.gpg',
        '',
      ].join('\n'),
    );
  });

  it('takes one-line entries with their options, and neither sources nor comments', () => {
    const text = [
      '# deb http://commented.example/debian bookworm main',
      'deb-src http://mirror.example/debian bookworm main',
      'deb [arch=amd64,arm64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # own',
      'deb http://other.example nodistro main',
    ].join('\n');
    expect(sourcesFor(parseSources(text, false), 'bookworm', 'bookworm')).toBe(
      [
        'Types: deb',
        'URIs: http://mirror.example/debian',
        'Suites: bookworm',
        'Components: main contrib',
        'signed-by: /k.gpg',
        'architectures: amd64 arm64',
        '',
      ].join('\n'),
    );
  });

  it('keeps a key that is written into the entry', () => {
    const text =
      'Types: deb\nURIs: http://m\nSuites: x\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n abc\n';
    expect(sourcesFor(parseSources(text, true), 'x', 'x')).toContain(
      'signed-by: \n -----BEGIN-----\n .\n abc\n',
    );
  });

  it('is empty where no mirror carries the release', () => {
    expect(sourcesFor(parseSources(deb822, true), 'jammy', 'jammy')).toBe('');
  });
});
