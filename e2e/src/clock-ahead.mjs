/** Loaded into a service before its program: `Date` is an hour ahead, the monotonic clock goes on as it does. */
const RealDate = Date;
const aheadMs = 3_600_000;

globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + aheadMs);
    else super(...given);
  }

  static now() {
    return RealDate.now() + aheadMs;
  }
};
