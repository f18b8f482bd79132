import { Controller, Get, Res } from '@nestjs/common';
import { agentRoutes, apiRoutes, openApiDocument } from '@signalbox/contracts';
import type { FastifyReply } from 'fastify';
import { docsPage } from './http/docs-page.ts';

const routes = { ...apiRoutes, ...agentRoutes };

@Controller()
export class DocsController {
  readonly #document = JSON.stringify(openApiDocument(routes));
  readonly #page = docsPage(routes);

  @Get(apiRoutes.getOpenApi.path)
  document(@Res() reply: FastifyReply): void {
    void reply.header('Content-Type', 'application/json; charset=utf-8').send(this.#document);
  }

  @Get(apiRoutes.getDocs.path)
  page(@Res() reply: FastifyReply): void {
    void reply
      .header('Content-Type', 'text/html; charset=utf-8')
      .header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'")
      .header('X-Content-Type-Options', 'nosniff')
      .send(this.#page);
  }
}
