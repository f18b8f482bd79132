import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The process's own figures (memory, CPU, event loop) are shown by one service of a process only. */
let processMetricsOwner: Registry | undefined;

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Prometheus metrics of one service; several services in one process have one registry each. */
export class Metrics {
  readonly registry = new Registry();
  readonly #histograms = new Map<string, Histogram<string>>();
  readonly #counters = new Map<string, Counter<string>>();

  constructor(service: string) {
    this.registry.setDefaultLabels({ service });
    if (processMetricsOwner === undefined) {
      processMetricsOwner = this.registry;
      collectDefaultMetrics({ register: this.registry });
    }
  }

  /** The same name gives the same counter again. */
  counter(name: string, help: string, labelNames: readonly string[] = []): Counter<string> {
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const made = new Counter<string>({ name, help, labelNames, registers: [this.registry] });
    this.#counters.set(name, made);
    return made;
  }

  /** `collect` runs at each scrape, so that a value is read when it is asked for. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L> {
    return new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      ...(collect === undefined
        ? {}
        : {
            collect(this: Gauge<L>) {
              return collect(this);
            },
          }),
    });
  }

  /** In seconds, with buckets from 1 ms to 60 s. The same name gives the same histogram again. */
  durations(name: string, help: string, labelNames: readonly string[] = []): Histogram<string> {
    const known = this.#histograms.get(name);
    if (known !== undefined) return known;
    const made = new Histogram<string>({
      name,
      help,
      labelNames,
      buckets: durationBuckets,
      registers: [this.registry],
    });
    this.#histograms.set(name, made);
    return made;
  }

  /** Gives the process's figures free for the next service that starts. */
  close(): void {
    if (processMetricsOwner === this.registry) processMetricsOwner = undefined;
    this.registry.clear();
  }
}
