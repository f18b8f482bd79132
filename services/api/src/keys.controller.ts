import { Controller, Get, HttpCode, Inject, Post, Req } from '@nestjs/common';
import {
  apiRoutes,
  type KeyIssued,
  type KeyRevoked,
  type KeyRotated,
  type KeyView,
  type Me,
  type Page,
} from '@signalbox/contracts';
import type { FastifyRequest } from 'fastify';
import { inputOf } from './http/input.ts';
import { Authenticator } from './identity/authenticator.ts';
import { contextOf, identityOf } from './identity/gate.ts';
import { ApiKeys } from './identity/keys.ts';

@Controller()
export class KeysController {
  readonly #keys: ApiKeys;
  readonly #authenticator: Authenticator;
  constructor(@Inject(ApiKeys) keys: ApiKeys, @Inject(Authenticator) authenticator: Authenticator) {
    this.#keys = keys;
    this.#authenticator = authenticator;
  }

  @Post(apiRoutes.issueKey.path)
  @HttpCode(201)
  issue(@Req() request: FastifyRequest): Promise<KeyIssued> {
    const { body } = inputOf(apiRoutes.issueKey, request);
    const { actor, traceparent } = contextOf(request);
    return this.#keys.issue(body, { actor, ...(traceparent === undefined ? {} : { traceparent }) });
  }

  @Get(apiRoutes.listKeys.path)
  list(@Req() request: FastifyRequest): Promise<Page<KeyView>> {
    const { cursor, limit } = inputOf(apiRoutes.listKeys, request).query;
    return this.#keys.list(cursor, limit);
  }

  @Post(apiRoutes.revokeKey.path)
  @HttpCode(200)
  async revoke(@Req() request: FastifyRequest): Promise<KeyRevoked> {
    const { params } = inputOf(apiRoutes.revokeKey, request);
    const { actor, traceparent } = contextOf(request);
    try {
      return await this.#keys.revoke(params.id, {
        actor,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
    } finally {
      this.#authenticator.forget(params.id);
    }
  }

  @Post(apiRoutes.rotateKey.path)
  @HttpCode(201)
  async rotate(@Req() request: FastifyRequest): Promise<KeyRotated> {
    const { params, body } = inputOf(apiRoutes.rotateKey, request);
    const { actor, traceparent } = contextOf(request);
    try {
      return await this.#keys.rotate(params.id, body, {
        actor,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
    } finally {
      this.#authenticator.forget(params.id);
    }
  }

  @Get(apiRoutes.getMe.path)
  me(@Req() request: FastifyRequest): Me {
    const { principalId, keyId, name, roles } = identityOf(request);
    return { principalId, keyId, name, roles: [...roles] };
  }
}
