import { expect, it } from '@jest/globals';
import { agentPrefix, agentRoutes, apiRoutes, openApiDocument } from '../index.ts';

const routes = { ...apiRoutes, ...agentRoutes };
const text = JSON.stringify(openApiDocument(routes));

it('names every route once, the agents’ below their own prefix', () => {
  const keys = Object.values(routes).map(({ method, path }) => `${method} ${path}`);
  expect(new Set(keys).size).toBe(keys.length);
  for (const { path } of Object.values(agentRoutes)) expect(path.startsWith(`${agentPrefix}/`)).toBe(true);
  for (const { path } of Object.values(apiRoutes)) expect(path.startsWith(`${agentPrefix}/`)).toBe(false);
  const document = openApiDocument(routes);
  expect(document.paths).toHaveProperty(['/api/v1/jobs/{id}/cancel', 'post', 'responses', '404']);
});

it('points at components that exist', () => {
  const { components } = JSON.parse(text);
  const names = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(20);
  for (const name of new Set(names)) expect(Object.keys(components.schemas)).toContain(name);
  expect(text).not.toContain('$defs');
});

it('tells what is sent from what is answered where they differ', () => {
  const { schemas } = JSON.parse(text).components;
  expect(schemas.JobDocumentInput.required).toEqual(['steps']);
  expect(schemas.JobDocument.required).toContain('version');
  expect(schemas.CreateJob.additionalProperties).toBe(false);
  expect(schemas.JobAccepted).not.toHaveProperty('additionalProperties');
});

it('is the same each time', () => {
  expect(JSON.stringify(openApiDocument(routes))).toBe(text);
});
