import { Controller, Get, Inject } from '@nestjs/common';
import { apiRoutes, type SystemReport } from '@signalbox/contracts';
import { SystemChecks } from './checks.ts';

@Controller()
export class SystemController {
  readonly #checks: SystemChecks;
  constructor(@Inject(SystemChecks) checks: SystemChecks) {
    this.#checks = checks;
  }

  @Get(apiRoutes.checkSystem.path)
  checks(): Promise<SystemReport> {
    return this.#checks.report();
  }
}
