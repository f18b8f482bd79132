/** What Kubernetes' own schemas say about a rendered object. */
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import type { Manifest } from './helm.ts';

const models: Readonly<Record<string, { readonly prototype: { validate(): void } }>> = {
  'apps/v1 Deployment': apps.Deployment,
  'apps/v1 StatefulSet': apps.StatefulSet,
  'networking.k8s.io/v1 Ingress': networking.Ingress,
  'networking.k8s.io/v1 NetworkPolicy': networking.NetworkPolicy,
  'policy/v1 PodDisruptionBudget': policy.PodDisruptionBudget,
  'v1 ConfigMap': core.ConfigMap,
  'v1 Pod': core.Pod,
  'v1 Secret': core.Secret,
  'v1 Service': core.Service,
  'v1 ServiceAccount': core.ServiceAccount,
};

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** The same value, which notes the path of every property that is read. */
const watched = <T extends object>(value: T, path: string, read: Set<string>): T =>
  new Proxy(value, {
    get: (target, key) => {
      const found: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol') return found;
      read.add(`${path}/${key}`);
      return isObject(found) ? watched(found, `${path}/${key}`, read) : found;
    },
  });

const pathsOf = (value: unknown, path = ''): string[] =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, each]) => [`${path}/${key}`, ...pathsOf(each, `${path}/${key}`)])
    : [];

/**
 * What is wrong with an object, a line each: a wrong type, a missing field, or a field that Kubernetes does not know. The
 * schemas let unknown fields pass, so a field counts as unknown when the validator has never read it.
 */
export const problemsOf = (manifest: Manifest): string[] => {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const model = models[kind];
  if (model === undefined) return [`expected a kind of ${Object.keys(models).join(', ')}, got ${kind}`];
  const read = new Set<string>();
  try {
    model.prototype.validate.call(watched(manifest, '', read));
  } catch (error) {
    return [`${kind} ${manifest.metadata.name}: ${error instanceof Error ? error.message : String(error)}`];
  }
  const unknown = pathsOf(manifest).filter((path) => !read.has(path));
  return unknown.map((path) => `${kind} ${manifest.metadata.name}: unknown field ${path}`);
};
