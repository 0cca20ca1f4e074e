#!lua
-- Tells Redis of claims on points. Which were made before it says in its reply; the others raise their sums.
--
-- All that is known of claims is one hash, and how far each gateway has told its own is in it, too: so a hash that was
-- lost, or is older, says by itself what it lacks. Told again, a claim is there already and changes nothing.
--
-- Redis puts a script's effects on disk as one transaction; but one of which the end was torn off may come back in part
-- (see the script of commits). So each adds one to the number of those that have started, and ends by writing it down
-- as finished; where the two differ, or one of the two hashes is there without the other, both step aside, and every
-- gateway tells all its claims again.
--
-- KEYS     claims (fields '<timestamp>:<user>', values '<token>:<sequence>:<kind>'; ':<token>' is the number up to which
--          a gateway has told its own), sums ('<kind>:<user>'), kinds
-- ARGV     token, from, to; then for each claim its field, its value, its kind, and the field of its sum
--
-- Replies  OK at value…        the gateway has told so far; for each claim the value it has from an earlier one, or ''
--          GAP at              it has not come so far as `from`
--          BAD key field       a sum is no number, or would reach 2^53

local LIMIT = 9007199254740992
local format = string.format

local claims, sums, kinds = KEYS[1], KEYS[2], KEYS[3]
local own, from, to = ':' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local held = redis.call('HMGET', claims, own, ':started', ':finished')
if held[2] ~= held[3] or redis.call('EXISTS', claims) ~= redis.call('EXISTS', sums) then
  -- The claims last: as long as they are there, this begins anew.
  for _, key in ipairs({sums, kinds, claims}) do
    if redis.call('EXISTS', key) == 1 then
      redis.call('RENAME', key, key .. ':before')
    end
  end
  held = {}
end
local at = tonumber(held[1] or 0)
if from > at then
  return {'GAP', at}
end
if #ARGV == 3 then
  return {'OK', at}
end

local fields = {}
for i = 4, #ARGV, 4 do
  fields[#fields + 1] = ARGV[i]
end
local known = redis.call('HMGET', claims, unpack(fields))

local reply, new, order, raised, seen = {'OK', math.max(at, to)}, {'HSET', claims}, {}, {}, {'HSET', kinds}
for i, field in ipairs(fields) do
  local value, kind, sum = ARGV[4 * i + 1], ARGV[4 * i + 2], ARGV[4 * i + 3]
  reply[i + 2] = ''
  if known[i] then
    reply[i + 2] = known[i] ~= value and known[i] or ''
  else
    new[#new + 1] = field
    new[#new + 1] = value
    if not raised[sum] then
      order[#order + 1] = sum
    end
    raised[sum] = (raised[sum] or 0) + 1
    if not seen[kind] then
      seen[kind] = true
      seen[#seen + 1] = kind
      seen[#seen + 1] = '1'
    end
  end
end

if #order == 0 then
  if to > at then
    redis.call('HSET', claims, own, ARGV[3])
  end
  return reply
end

local before, sets = redis.call('HMGET', sums, unpack(order)), {'HSET', sums}
for i, sum in ipairs(order) do
  local value = before[i] or '0'
  if not string.find(value, '^%d+$') or value + raised[sum] >= LIMIT then
    return {'BAD', sums, sum}
  end
  sets[#sets + 1] = sum
  sets[#sets + 1] = format('%.0f', value + raised[sum])
end

local started = redis.call('HINCRBY', claims, ':started', 1)
redis.call(unpack(sets))
redis.call(unpack(seen))
for _, value in ipairs({own, format('%.0f', math.max(at, to)), ':finished', started}) do
  new[#new + 1] = value
end
redis.call(unpack(new))
return reply
