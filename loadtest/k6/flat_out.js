// Both calls as fast as the server and k6 allow. k6 takes some ten times the CPU of a gateway for a request, so this
// shows behaviour under pressure; what the gateway can do is measured by loadtest/compare.py.
//
//   k6 run --no-usage-report -e TARGET=http://127.0.0.1:3030 loadtest/k6/flat_out.js
//
// TARGET, DURATION, ADDRESSES as in steady.js; VUS (default 64) clients of each kind.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { forwardedFor } from './addresses.js';

const target = __ENV.TARGET || 'http://127.0.0.1:3030';
const duration = __ENV.DURATION || '30s';
const addresses = Number(__ENV.ADDRESSES || 10000);
const vus = Number(__ENV.VUS || 64);

const kept = new Counter('visits_kept');

export const options = {
  scenarios: {
    count: { executor: 'constant-vus', exec: 'count', vus, duration },
    read: { executor: 'constant-vus', exec: 'read', vus, duration },
  },
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max'],
  thresholds: { http_req_failed: ['rate==0'], checks: ['rate==1'] },
};

function parameters() {
  return { headers: { 'X-Forwarded-For': forwardedFor(exec.scenario.iterationInTest % addresses) } };
}

export function count() {
  const answer = http.post(`${target}/api/v1/stats?countryCode=GB`, null, parameters());
  const good = check(answer, { 'a visit is answered 201 or 202': ({ status }) => status === 201 || status === 202 });
  kept.add(good ? 1 : 0);
}

export function read() {
  check(http.get(`${target}/api/v1/stats`, parameters()), { 'a report is answered 200': (r) => r.status === 200 });
}
