#!lua
-- Applies one commit of a gateway to the counters of a partition, once or not at all.
--
-- Everything is read and checked before anything is written, and the sequence is written last; Redis runs a script
-- to its end, and puts its effects on disk and to replicas as one transaction. So there is nothing to undo.
--
-- KEYS[1]  the guard: per gateway the fields <gateway> (its sequence), <gateway>:epoch and <gateway>:nonce
-- KEYS[2…] the counter hashes
-- ARGV     gateway, epoch, nonce, from, to, kind of commit ('next', or 'whole' for everything the gateway counted),
--          then for each counter hash how many fields it has, and field and amount in turn
--
-- Replies  OK total…           the new totals, in the order of the fields
--          DUP cursor          applied before
--          GAP cursor          does not start where the gateway's commits ended
--          LOST                this Redis has nothing of this gateway
--          FENCED              another process has claimed the identity
--          STALE               the claim is not the one this Redis knows; claim again
--          BAD key field fault cannot be applied; the fault is 'limit', 'number', 'type' or 'orphan'

local LIMIT = 9007199254740992 -- 2^53: from here on Lua's numbers skip some
local CHUNK = 2000 -- fields a command: unpack fails somewhat below 8,000 values

local guard, id = KEYS[1], ARGV[1]
local epoch, nonce = tonumber(ARGV[2]), ARGV[3]
local from, to, kind = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

-- Values of a hash. A key of another type is a fault that stays; any other error is passed on as it is.
local function read(key, fields)
  local values = redis.pcall('HMGET', key, unpack(fields))
  if not values.err then
    return values
  end
  if string.find(values.err, 'WRONGTYPE', 1, true) then
    return nil, {'BAD', key, '', 'type'}
  end
  return nil, values
end

-- Whether any gateway's sequence is here: the names of its other fields have a colon.
local function guarded()
  for _, field in ipairs(redis.call('HKEYS', guard)) do
    if not string.find(field, ':', 1, true) then
      return true
    end
  end
  return false
end

local held, failure = read(guard, {id, id .. ':epoch', id .. ':nonce'})
if failure then
  return failure
end

if not held[1] and not held[2] and from ~= 0 then
  return {'LOST'}
end
local stored = held[2] and tonumber(held[2]) or 0
if held[3] ~= nonce then
  return {stored >= epoch and 'FENCED' or 'STALE'}
end
if stored ~= epoch then
  return {'STALE'} -- a later claim of our own whose reply was lost
end

local cursor = 0
if held[1] then
  cursor = tonumber(held[1])
  if not cursor then
    return {'BAD', guard, id, 'number'}
  end
elseif from ~= 0 then
  return {'LOST'}
end
if cursor >= to then
  return {'DUP', cursor}
end
if cursor ~= from then
  return {'GAP', cursor}
end

-- Hashes that outlived every gateway's sequence already hold what a whole contribution would add.
if kind == 'whole' and not guarded() then
  for k = 2, #KEYS do
    if redis.call('EXISTS', KEYS[k]) == 1 then
      return {'BAD', KEYS[k], '', 'orphan'}
    end
  end
end

local reply, writes = {'OK'}, {}
local at = 7
for k = 2, #KEYS do
  local key, count = KEYS[k], tonumber(ARGV[at])
  for first = 0, count - 1, CHUNK do
    local fields, amounts = {}, {}
    for i = first, math.min(first + CHUNK, count) - 1 do
      fields[#fields + 1] = ARGV[at + 2 * i + 1]
      amounts[#amounts + 1] = tonumber(ARGV[at + 2 * i + 2])
    end
    local values
    values, failure = read(key, fields)
    if failure then
      return failure
    end
    local write = {'HSET', key}
    for i, field in ipairs(fields) do
      local value = values[i] or '0'
      if not string.find(value, '^%d+$') then
        return {'BAD', key, field, 'number'}
      end
      local total = tonumber(value) + amounts[i]
      if total >= LIMIT then
        return {'BAD', key, field, 'limit'}
      end
      reply[#reply + 1] = total
      write[#write + 1] = field
      write[#write + 1] = string.format('%.0f', total)
    end
    writes[#writes + 1] = write
  end
  at = at + 1 + 2 * count
end

for _, write in ipairs(writes) do
  redis.call(unpack(write))
end
redis.call('HSET', guard, id, ARGV[5])
return reply
