import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { findNatsServer } from '@signalbox/embedded';
import { root } from '@signalbox/tools/service-files';
import { field } from '@signalbox/tools/system';
import { parse } from 'yaml';
import { tryRun } from './command.ts';
import { type Manifest, chart, helmIsMissing, render, tryHelm } from './helm.ts';
import { problemsOf } from './kubernetes-schema.ts';

const missing = await helmIsMissing();
const examples = readdirSync(join(chart, 'ci')).toSorted();
const file = (name: string): string[] => ['--values', join(chart, 'ci', name)];
const drainMs = 10_000;

/** A value deep inside. */
const at = (value: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((found, key) => field(found, key), value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const record = (value: unknown): Record<string, string> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};

/** The pods that objects make: those of workloads, and pods themselves. */
const podsOf = (
  manifests: readonly Manifest[],
): { readonly name: string; readonly kind: string; readonly pod: unknown }[] =>
  manifests.flatMap((each) => {
    const name = each.metadata.name;
    if (each.kind === 'Pod') return [{ name, kind: each.kind, pod: each }];
    const pod = at(each, 'spec.template');
    return pod === undefined ? [] : [{ name, kind: each.kind, pod }];
  });
const containersOf = (manifests: readonly Manifest[]) =>
  podsOf(manifests).flatMap(({ name, kind, pod }) =>
    list(at(pod, 'spec.containers')).map((container) => ({ name, kind, container })),
  );
const ofKind = (manifests: readonly Manifest[], kind: string) =>
  manifests.filter((each) => each.kind === kind);

const matches = (selector: Record<string, string>, labels: Record<string, string>): boolean =>
  Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value);

if (missing !== undefined) process.stderr.write(`SKIPPED: the chart: ${missing}\n`);
const describeWithHelm = missing === undefined ? describe : describe.skip;
const title = (text: string): string => (missing === undefined ? text : `SKIPPED: ${missing}: ${text}`);

describeWithHelm.each(examples)(title('the chart with %s'), (example) => {
  let manifests: Manifest[];
  beforeAll(async () => {
    manifests = await render(...file(example));
  });

  it('passes helm lint --strict', async () => {
    const { code, stdout } = await tryHelm('lint', '--strict', chart, ...file(example));
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });

  it('holds only what Kubernetes knows', () => {
    const checked = manifests.filter(({ kind }) => kind !== 'ServiceMonitor');
    expect(checked.length).toBeGreaterThan(15);
    expect(checked.flatMap(problemsOf)).toEqual([]);
  });

  it('names each object once', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { metadata } of manifests) expect(metadata.name.length).toBeLessThanOrEqual(63);
  });

  it('runs every container without rights, with limits, from a pinned image', () => {
    for (const { name, container } of containersOf(manifests)) {
      expect({ name, security: field(container, 'securityContext') }).toEqual({
        name,
        security: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      });
      expect(String(field(container, 'image'))).toMatch(/^[^ ]+:(?!latest)[A-Za-z0-9_.-]+$/);
      expect(at(container, 'resources.limits.memory')).toBeDefined();
      expect(at(container, 'resources.requests.cpu')).toBeDefined();
    }
  });

  it('runs every pod as a user without rights and without a token of the cluster', () => {
    for (const { name, pod } of podsOf(manifests)) {
      expect({ name, spec: field(pod, 'spec') }).toMatchObject({
        name,
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        },
      });
      expect(Number(at(pod, 'spec.securityContext.runAsUser'))).toBeGreaterThan(0);
    }
  });

  it('asks every service whether it lives and is ready, and gives it time to drain', () => {
    const deployments = ofKind(manifests, 'Deployment');
    expect(deployments).toHaveLength(5);
    for (const deployment of deployments) {
      const [container] = list(at(deployment, 'spec.template.spec.containers'));
      expect(at(container, 'livenessProbe.httpGet')).toEqual({ path: '/health/live', port: 'http' });
      expect(at(container, 'readinessProbe.httpGet')).toEqual({ path: '/health/ready', port: 'http' });
      const pauseMs = Number(list(at(container, 'lifecycle.preStop.exec.command'))[1]) * 1_000;
      const graceMs = Number(at(deployment, 'spec.template.spec.terminationGracePeriodSeconds')) * 1_000;
      expect(graceMs).toBeGreaterThan(pauseMs + drainMs);
      expect(at(deployment, 'spec.strategy.rollingUpdate.maxUnavailable')).toBe(0);
    }
  });

  it('selects pods that exist: workloads, services, budgets and policies', () => {
    const labels = podsOf(manifests).map(({ pod }) => record(at(pod, 'metadata.labels')));
    const selectors = manifests.flatMap((each): [string, Record<string, string>][] => {
      const found =
        each.kind === 'Service'
          ? at(each, 'spec.selector')
          : each.kind === 'NetworkPolicy'
            ? at(each, 'spec.podSelector.matchLabels')
            : ['Deployment', 'StatefulSet', 'PodDisruptionBudget'].includes(each.kind)
              ? at(each, 'spec.selector.matchLabels')
              : undefined;
      return found === undefined ? [] : [[`${each.kind}/${each.metadata.name}`, record(found)]];
    });
    expect(selectors.length).toBeGreaterThan(12);
    for (const [name, selector] of selectors)
      expect({ name, matched: labels.filter((each) => matches(selector, each)).length }).toEqual({
        name,
        matched: 1,
      });
  });

  it('has a disruption budget for what has replicas, and for nothing else', () => {
    const replicated = [...ofKind(manifests, 'Deployment'), ...ofKind(manifests, 'StatefulSet')]
      .filter((each) => Number(at(each, 'spec.replicas')) > 1)
      .map((each) => each.metadata.name);
    const budgets = ofKind(manifests, 'PodDisruptionBudget').map((each) => each.metadata.name);
    expect(budgets.toSorted()).toEqual(replicated.toSorted());
  });

  it('puts secrets into Secrets: none is in an environment, an argument or a ConfigMap', () => {
    const secrets = ofKind(manifests, 'Secret').flatMap((each) => Object.values(record(each['stringData'])));
    const elsewhere = JSON.stringify(manifests.filter(({ kind }) => kind !== 'Secret'));
    for (const secret of secrets) expect(elsewhere).not.toContain(secret);
    for (const { container } of containersOf(manifests)) {
      for (const variable of list(field(container, 'env'))) {
        const name = String(field(variable, 'name'));
        if (/(PASSWORD|_KEY|SECRET|DATABASE_URL)$/.test(name))
          expect(field(variable, 'value')).toBeUndefined();
      }
    }
  });

  it('mounts keys of Secrets that it makes, or that the values name', () => {
    const made = new Map(
      ofKind(manifests, 'Secret').map((each) => [each.metadata.name, record(each['stringData'])]),
    );
    const text = readFileSync(join(chart, 'ci', example), 'utf8');
    const used = podsOf(manifests).flatMap(({ pod }) =>
      list(at(pod, 'spec.volumes')).flatMap((volume) =>
        list(at(volume, 'projected.sources')).map((source) => field(source, 'secret')),
      ),
    );
    expect(used.length).toBeGreaterThan(5);
    for (const secret of used) {
      const name = String(field(secret, 'name'));
      const keys = list(field(secret, 'items')).map((item) => String(field(item, 'key')));
      const ours = made.get(name);
      if (ours === undefined) expect(text).toContain(name);
      else expect(Object.keys(ours)).toEqual(expect.arrayContaining(keys));
    }
  });
});

describeWithHelm(title('the chart'), () => {
  const minimal = file('minimal.yaml');

  it('sends agents to the gateway and everything else of the API to the api', async () => {
    const [ingress] = ofKind(await render(...file('external.yaml')), 'Ingress');
    const [rule] = list(at(ingress, 'spec.rules'));
    const paths = list(at(rule, 'http.paths')).map((each) => [
      field(each, 'path'),
      at(each, 'backend.service.name'),
    ]);
    expect(paths).toEqual([
      ['/api/v1/agent', 'box-device-gateway'],
      ['/api', 'box-api'],
    ]);
  });

  it('gives each service its own password of NATS, and the relay its own', async () => {
    const scheduler = (await render(...minimal)).find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'box-scheduler',
    );
    const text = JSON.stringify(scheduler);
    expect(text).toContain(
      '{"key":"scheduler","path":"nats-password"},{"key":"relay","path":"relay-nats-password"}',
    );
    expect(text).not.toContain('"key":"dispatcher"');
  });

  it('keeps three copies of the event stream with a cluster of three', async () => {
    const text = JSON.stringify(await render(...file('ha.yaml')));
    expect(text).toContain('{"name":"SIGNALBOX_EVENTS_REPLICAS","value":"3"}');
    expect(text).toContain('nats://box-nats-2.box-nats-peers:6222');
  });

  it.each(['minimal.yaml', 'ha.yaml'])(
    'makes a configuration that nats-server takes, with %s',
    async (example) => {
      const maps = ofKind(await render(...file(example)), 'ConfigMap');
      const texts = record(maps.find(({ metadata }) => metadata.name === 'box-nats')?.['data']);
      const folder = await mkdtemp(join(tmpdir(), 'signalbox-chart-'));
      try {
        for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
        const users = [
          ...(texts['authorization.conf'] ?? '').matchAll(/\$(SIGNALBOX_NATS_[A-Z_]+_PASSWORD)/g),
        ];
        expect(users).toHaveLength(8);
        const env = {
          POD_NAME: 'box-nats-0',
          ...Object.fromEntries(users.map(([, name]) => [name, 'secret'])),
        };
        const server = await findNatsServer({
          cacheDir: join(root, '.signalbox', 'cache'),
          log: () => undefined,
        });
        const { code, stderr } = await tryRun(server, ['-t', '--config', join(folder, 'nats.conf')], { env });
        expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('is valid') });
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );

  it('renders the same twice but for the secrets that it makes', async () => {
    const [one, two] = [await render(...file('external.yaml')), await render(...file('external.yaml'))];
    expect(one).toEqual(two);
  });

  it('explains every value', () => {
    const text = readFileSync(join(chart, 'values.yaml'), 'utf8').split('\n');
    const keys = text.flatMap((line, index) =>
      /^ {0,2}[a-zA-Z]+:/.test(line) ? [{ line, above: text[index - 1] ?? '' }] : [],
    );
    const top = Object.keys(record(parse(readFileSync(join(chart, 'values.yaml'), 'utf8'))));
    expect(top.length).toBeGreaterThan(12);
    const unexplained = keys.filter(
      ({ line, above }) =>
        /^[a-z]/.test(line) && !above.startsWith('#') && !/^[a-zA-Z]+: (\[\]|\{\})$/.test(line),
    );
    expect(unexplained.map(({ line }) => line)).toEqual([]);
  });

  it('has the version of the project, and the users of NATS as the services know them', () => {
    const { version } = parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))).toMatchObject({
      version,
      appVersion: version,
    });
    expect(readFileSync(join(chart, 'files/authorization.conf'), 'utf8')).toBe(
      readFileSync(join(root, 'deploy/nats/authorization.conf'), 'utf8'),
    );
  });

  it.each([
    ['an unknown value', ['--set', 'replicas=3'], "additional properties 'replicas' not allowed"],
    [
      'an unknown value inside',
      ['--set', 'services.api.replica=3'],
      "additional properties 'replica' not allowed",
    ],
    [
      'no replicas',
      ['--set', 'services.api.replicas=0'],
      "at '/services/api/replicas': minimum: got 0, want 1",
    ],
    ['the tag latest', ['--set', 'image.tag=latest'], "at '/image/tag'"],
    ['an image without a tag', ['--set', 'nats.bundled.image=nats'], "at '/nats/bundled/image'"],
    [
      'a secret among settings',
      ['--set', 'settings.SIGNALBOX_BOOTSTRAP_ADMIN_KEY=x'],
      "invalid propertyName 'SIGNALBOX_BOOTSTRAP_ADMIN_KEY'",
    ],
    ['a port among settings', ['--set', 'settings.SIGNALBOX_API_PORT=1'], "'SIGNALBOX_API_PORT'"],
    ['two NATS servers', ['--set', 'nats.bundled.replicas=2'], "at '/nats/bundled/replicas'"],
    ['a password in the address', ['--set', 'nats.url=nats://u:p@h:4222'], "at '/nats/url'"],
    ['an Ingress without a host', ['--set', 'ingress.enabled=true'], "at '/ingress/host'"],
    [
      'two databases',
      ['--set', 'database.existingSecret=x'],
      'database: expected existingSecret or bundled.enabled, got both',
    ],
    ['two NATS', ['--set', 'nats.url=nats://h:4222'], 'nats: expected url or bundled.enabled, got both'],
    [
      'more copies than servers',
      ['--set', 'nats.streamReplicas=3'],
      'nats.streamReplicas: expected at most bundled.replicas (1), got 3',
    ],
    ['no database', ['--set', 'database.bundled.enabled=false'], 'database: expected existingSecret'],
  ])('refuses %s by name', async (_, values, message) => {
    const { code, stderr } = await tryHelm('template', 'box', chart, ...minimal, ...values);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });
});

describe('the check against the schemas', () => {
  const manifest = (spec: object): Manifest => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'x' },
    spec,
  });

  it('finds an unknown field, a wrong type and an unknown kind', () => {
    expect(problemsOf(manifest({ ports: [{ port: 1 }] }))).toEqual([]);
    expect(problemsOf(manifest({ ports: [{ port: 1, prot: 'TCP' }] }))).toEqual([
      'v1 Service x: unknown field /spec/ports/0/prot',
    ]);
    expect(problemsOf(manifest({ ports: [{ port: 'one' }] }))).toEqual([
      expect.stringContaining('v1 Service x: '),
    ]);
    expect(problemsOf({ ...manifest({}), kind: 'Servant' })).toEqual([
      expect.stringContaining('got v1 Servant'),
    ]);
  });
});
