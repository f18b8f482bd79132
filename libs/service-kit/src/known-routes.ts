/** The routes of a service as they are registered: tells which methods a path has when a request matched none. */
export class KnownRoutes {
  readonly #routes: { readonly methods: readonly string[]; readonly pattern: RegExp }[] = [];

  /** `url` in the router's notation: `/jobs/:id`. */
  add(methods: string | readonly string[], url: string): void {
    const pattern = url
      .split('/')
      .map((part) => {
        if (part.startsWith(':')) return '[^/]+';
        return part === '*' ? '.*' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
      })
      .join('/');
    this.#routes.push({ methods: [methods].flat(), pattern: new RegExp(`^${pattern}/?$`) });
  }

  methodsOf(path: string): string[] {
    const found = this.#routes.filter((each) => each.pattern.test(path)).flatMap((each) => each.methods);
    return [...new Set(found)].toSorted();
  }
}
