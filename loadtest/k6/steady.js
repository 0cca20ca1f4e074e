// Both calls at a fixed rate each, whatever the server does: what a shop's front end sends.
//
//   k6 run --no-usage-report -e TARGET=http://127.0.0.1:3030 loadtest/k6/steady.js
//
// TARGET     where to send (default http://127.0.0.1:3030)
// RATE       requests a second of each kind (default 1000)
// DURATION   how long (default 30s)
// ADDRESSES  client addresses in turn (default 10000; 1 is one client). With RATE_LIMIT_MAX=100 a gateway allows each
//            address 100 requests a minute: start it with more, or use enough addresses.
// P99_MS     greatest p99 of each kind, in milliseconds (default 100)

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { forwardedFor } from './addresses.js';

const target = __ENV.TARGET || 'http://127.0.0.1:3030';
const rate = Number(__ENV.RATE || 1000);
const duration = __ENV.DURATION || '30s';
const addresses = Number(__ENV.ADDRESSES || 10000);
const p99 = [`p(99)<${__ENV.P99_MS || 100}`];
const countries = ['GB', 'FR', 'DE', 'US', 'CY', 'JP', 'BR', 'ZA'];

const kept = new Counter('visits_kept');

// The first seconds show k6 starting up, not the server: they are counted, but are scenarios of their own.
const warmUp = '5s';

function arriving(name, rate, duration, startTime) {
  return {
    executor: 'constant-arrival-rate',
    exec: name,
    rate,
    timeUnit: '1s',
    duration,
    startTime,
    preAllocatedVUs: 50,
    maxVUs: 1000,
  };
}

export const options = {
  scenarios: {
    warm_count: arriving('count', Math.ceil(rate / 5), warmUp, '0s'),
    warm_read: arriving('read', Math.ceil(rate / 5), warmUp, '0s'),
    count: arriving('count', rate, duration, warmUp),
    read: arriving('read', rate, duration, warmUp),
  },
  summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max'],
  thresholds: {
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
    'dropped_iterations{scenario:count}': ['count==0'],
    'dropped_iterations{scenario:read}': ['count==0'],
    // Naming the scenarios also makes k6 report each kind by itself.
    'http_req_duration{scenario:count}': p99,
    'http_req_duration{scenario:read}': p99,
  },
};

function parameters() {
  return { headers: { 'X-Forwarded-For': forwardedFor(exec.scenario.iterationInTest % addresses) } };
}

export function count() {
  const country = countries[exec.scenario.iterationInTest % countries.length];
  const answer = http.post(`${target}/api/v1/stats?countryCode=${country}`, null, parameters());
  const good = check(answer, { 'a visit is answered 201 or 202': ({ status }) => status === 201 || status === 202 });
  kept.add(good ? 1 : 0);
}

export function read() {
  const answer = http.get(`${target}/api/v1/stats`, parameters());
  check(answer, { 'a report is answered 200': ({ status }) => status === 200 });
}
