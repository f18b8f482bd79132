import { buildAll } from '../../tools/build.ts';

/** Runs once before all specs: bundles of the services and the agent, as they are delivered. */
export default buildAll;
