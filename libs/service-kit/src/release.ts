/** Version of this release: that of every package.json of ours. */
export const releaseVersion = '0.1.0';
