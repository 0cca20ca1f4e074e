// 10,000 client addresses at once against a gateway that allows each 100 requests in 60 s: nobody under the limit is
// refused, everybody over it is.
//
//   k6 run --no-usage-report -e TARGET=http://127.0.0.1:3030 loadtest/k6/limit.js
//
// 9,000 addresses make 10 requests each, 500 exactly the limit, 500 make 130, all mixed. The allowance refills evenly
// (one request every 0.6 s), so a few more than 100 are right when the 130 take their time; the check allows just those.

import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
import { forwardedFor } from './addresses.js';

const target = __ENV.TARGET || 'http://127.0.0.1:3030';
const limit = 100;
const refillMilliseconds = 600;
const quietAddresses = 9000;
const eager = { vus: 10, iterations: 500, executor: 'shared-iterations', maxDuration: '5m' };

const kept = new Counter('visits_kept');

export const options = {
  scenarios: {
    quiet: { ...eager, exec: 'quiet', iterations: quietAddresses * 10 },
    at_the_limit: { ...eager, exec: 'atTheLimit' },
    over_the_limit: { ...eager, exec: 'overTheLimit' },
  },
  thresholds: {
    'checks{check:under the limit nobody is refused}': ['rate==1'],
    'checks{check:at the limit nobody is refused}': ['rate==1'],
    'checks{check:over the limit the first hundred are kept}': ['rate==1'],
    'checks{check:over the limit the rest is refused}': ['rate==1'],
    'checks{check:a refusal says when to come back}': ['rate==1'],
  },
};

function visit(address) {
  const headers = { 'X-Forwarded-For': forwardedFor(address) };
  const answer = http.post(`${target}/api/v1/stats?countryCode=GB`, null, { headers });
  kept.add(answer.status === 201 || answer.status === 202 ? 1 : 0);
  return answer;
}

function statuses(address, count) {
  const counts = { kept: 0, refused: 0, other: 0, withoutRetry: 0, first: 0 };
  for (let number = 0; number < count; number += 1) {
    const answer = visit(address);
    if (answer.status === 201 || answer.status === 202) {
      counts.kept += 1;
      counts.first += number < limit ? 1 : 0;
    } else if (answer.status === 429) {
      counts.refused += 1;
      counts.withoutRetry += Number(answer.headers['Retry-After']) > 0 ? 0 : 1;
    } else {
      counts.other += 1;
    }
  }
  return counts;
}

export function quiet() {
  const answer = visit(exec.scenario.iterationInTest % quietAddresses);
  check(answer, { 'under the limit nobody is refused': ({ status }) => status === 201 || status === 202 });
}

export function atTheLimit() {
  const counts = statuses(quietAddresses + exec.scenario.iterationInTest, limit);
  check(counts, { 'at the limit nobody is refused': (c) => c.kept === limit });
}

export function overTheLimit() {
  const start = Date.now();
  const counts = statuses(quietAddresses + 500 + exec.scenario.iterationInTest, limit + 30);
  const refilled = Math.ceil((Date.now() - start) / refillMilliseconds) + 1;
  check(counts, {
    'over the limit the first hundred are kept': (c) => c.first === limit,
    'over the limit the rest is refused': (c) => c.other === 0 && c.refused >= 30 - refilled && c.refused > 0,
    'a refusal says when to come back': (c) => c.withoutRetry === 0,
  });
}
