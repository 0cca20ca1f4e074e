#!lua
-- Begins a new generation of a partition's counters: what there is steps aside, and every gateway is told that its
-- counts are lost, so that each contributes all it has counted. For counters that no gateway can vouch for any more.
--
-- KEYS[1]  the guard
-- KEYS[2]  prefix of the partition's keys
-- ARGV     the generation that shall end
--
-- Replies  OK generation     the one that has begun
--          PAST generation   another call was first

local guard, prefix = KEYS[1], KEYS[2]
local ending = tonumber(ARGV[1])

local current = tonumber(redis.call('HGET', guard, ':generation') or '0')
if current ~= ending then
  return {'PAST', current}
end

-- A counter hash ends in the name of its family; former generations are kept under a name that does not.
for _, key in ipairs(redis.call('KEYS', prefix .. '*')) do
  if string.find(key, ':visits$') or string.find(key, ':events$') then
    redis.call('RENAME', key, key .. ':before-' .. string.format('%.0f', current + 1))
  end
end
for _, field in ipairs(redis.call('HKEYS', guard)) do
  if not string.find(field, ':', 1, true) then
    redis.call('HDEL', guard, field)
  end
end
redis.call('HSET', guard, ':generation', string.format('%.0f', current + 1))
return {'OK', current + 1}
