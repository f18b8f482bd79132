import { apiInfo, openApiDocument, type Route } from '@signalbox/contracts';

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8884; border-radius: 6px; }
summary { cursor: pointer; padding: 0.4rem 0; }
.method { display: inline-block; min-width: 3.5rem; font-weight: 600; }
.access { color: #777; font-size: 0.9em; }
`;

const json = (value: unknown): string => `<pre>${escape(JSON.stringify(value, null, 2))}</pre>`;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const operation = (document: unknown, route: Route): Readonly<Record<string, unknown>> => {
  const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
  const paths = isRecord(document) ? document.paths : undefined;
  const item = isRecord(paths) ? paths[path] : undefined;
  const found = isRecord(item) ? item[route.method.toLowerCase()] : undefined;
  return isRecord(found) ? found : {};
};

const section = (document: unknown, route: Route): string => {
  const { parameters, requestBody, responses } = operation(document, route);
  const parts = Object.entries({ Parameters: parameters, Body: requestBody, Answers: responses })
    .filter(([, part]) => part !== undefined && !(Array.isArray(part) && part.length === 0))
    .map(([title, part]) => `<h4>${title}</h4>${json(part)}`);
  return `<details><summary><span class="method">${route.method}</span> <code>${escape(route.path)}</code> — ${escape(
    route.summary,
  )} <span class="access">(${escape(route.access)})</span></summary>${parts.join('')}</details>`;
};

/** The API as one page that loads nothing from elsewhere and runs no script. */
export const docsPage = (routes: Readonly<Record<string, Route>>): string => {
  const document = openApiDocument(routes);
  const all = Object.values(routes);
  const tags = [...new Set(all.map(({ tag }) => tag))].map(
    (tag) =>
      `<h2>${escape(tag)}</h2>${all
        .filter((route) => route.tag === tag)
        .map((route) => section(document, route))
        .join('')}`,
  );
  const schemas =
    isRecord(document.components) && isRecord(document.components.schemas) ? document.components.schemas : {};
  const shapes = Object.entries(schemas).map(
    ([name, schema]) =>
      `<details id="${escape(name)}"><summary><code>${escape(name)}</code></summary>${json(schema)}</details>`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${apiInfo.title} API</title><style>${style}</style></head>
<body><h1>${apiInfo.title} API</h1><p>${escape(apiInfo.description)}</p>
<p>The same as an OpenAPI 3.1 document: <a href="openapi.json">openapi.json</a></p>
${tags.join('')}<h2>Schemas</h2>${shapes.join('')}</body></html>`;
};
