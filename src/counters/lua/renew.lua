#!lua
-- Begins a new generation of a partition's counters: what there is steps aside, and every gateway is told that its
-- counts are lost, so that each contributes all it has counted. For counters that no gateway can vouch for any more.
--
-- KEYS[1]  the guard
-- KEYS[2]  what tells that somebody has counted in this generation
-- KEYS[3]  prefix of the partition's keys
-- ARGV     the generation that shall end
--
-- Replies  OK generation     the one that has begun
--          PAST generation   another call was first

local guard, begun, prefix = KEYS[1], KEYS[2], KEYS[3]
local ending = tonumber(ARGV[1])

local current = tonumber(redis.call('HGET', guard, ':generation') or '0')
if current ~= ending then
  return {'PAST', current}
end

-- A counter hash ends in the name of its family; former generations are kept under a name that does not. Theirs are
-- not given again: a guard that was deleted has forgotten which there were.
local hashes, latest = {}, current
for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
  if string.find(key, ':visits$') or string.find(key, ':events$') then
    hashes[#hashes + 1] = key
  end
  latest = math.max(latest, tonumber(string.match(key, ':before%-(%d+)$') or '0'))
end
local beginning = string.format('%.0f', latest + 1)

-- For these numbers see the script of commits.
local started = redis.call('HINCRBY', guard, ':started', 1)
for _, key in ipairs(hashes) do
  redis.call('RENAME', key, key .. ':before-' .. beginning)
end
redis.call('HDEL', begun, 'by')
for _, field in ipairs(redis.call('HKEYS', guard)) do
  if not string.find(field, ':', 1, true) then
    redis.call('HDEL', guard, field)
  end
end
redis.call('HSET', guard, ':generation', beginning, ':finished', started)
return {'OK', latest + 1}
