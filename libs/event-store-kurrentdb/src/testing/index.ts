/** For tests: a stand-in for KurrentDB that speaks its protocol. Import it from tests only. */
export { StandInLog } from './stand-in-log.ts';
export { startStandIn, type StandInServer } from './stand-in-server.ts';
