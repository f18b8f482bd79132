import { apiRoles, type ApiRole } from '@signalbox/contracts';

/** A role grants what the roles before it in the list grant; names that are not in the list grant nothing here. */
export const grants = (roles: readonly string[], needed: ApiRole): boolean =>
  apiRoles.slice(apiRoles.indexOf(needed)).some((role) => roles.includes(role));
