#!lua
-- Applies one commit of a gateway to the counters of a partition, once or not at all.
--
-- Everything is read and checked before anything is written, and the sequence is written last; Redis runs a script
-- to its end, and puts its effects on disk and to replicas as one transaction. So there is nothing to undo.
--
-- There is something to notice, though. When the end of an append-only file was torn off within a transaction, some
-- versions of Redis leave the transaction's first commands in the file, and carry them out at the start after next,
-- before what others, who knew nothing of them, have written since. So each transaction begins by adding one to the
-- number of those that have started, and ends by writing that number down as it knows it: as finished. A transaction
-- that comes back adds one that nobody knew of, and the two numbers differ from then on.
--
-- KEYS[1]  the guard: per gateway the fields <gateway> (its sequence), <gateway>:epoch and <gateway>:nonce; and :started
--          and :finished
-- KEYS[2]  what tells that somebody has counted in this generation, also when the guard is gone
-- KEYS[3…] the counter hashes
-- ARGV     gateway, epoch, nonce, from, to, kind of commit ('next', or 'whole' for everything the gateway counted),
--          then for each counter hash how many fields it has, the fields, and their amounts
--
-- Replies  OK total…           the new totals, in the order of the fields
--          DUP cursor          applied before
--          GAP cursor          does not start where the gateway's commits ended
--          LOST                this Redis has nothing of this gateway
--          STALE               the claim is not the one this Redis knows; claim again, which tells why
--          BAD key field fault cannot be applied; the fault is 'limit', 'number', 'type', 'orphan' or 'torn'

local LIMIT = 9007199254740992 -- 2^53: from here on Lua's numbers skip some
local CHUNK = 2000 -- fields a command: unpack fails somewhat below 8,000 values
local find, format = string.find, string.format

local guard, begun, id = KEYS[1], KEYS[2], ARGV[1]
local epoch, nonce = tonumber(ARGV[2]), ARGV[3]
local from, to, kind = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

-- What to reply when a key cannot be read: one of another type is a fault that stays, any other error is passed on.
local function refusal(key, error)
  if find(error.err, 'WRONGTYPE', 1, true) then
    return {'BAD', key, '', 'type'}
  end
  return error
end

-- The values of the fields that the arguments from first to last name. `whole` tells that all of them are digits, at
-- the price of one match instead of one a field.
local function read(key, first, last)
  local values = redis.pcall('HMGET', key, unpack(ARGV, first, last))
  if not values.err then
    for i = 1, last - first + 1 do
      values[i] = values[i] or '0'
    end
    values.whole = find(table.concat(values), '^%d+$')
    return values
  end
  return nil, refusal(key, values)
end

-- Whether any gateway's sequence is here: the names of its other fields have a colon.
local function guarded()
  for _, field in ipairs(redis.call('HKEYS', guard)) do
    if not find(field, ':', 1, true) then
      return true
    end
  end
  return false
end

local held = redis.pcall('HMGET', guard, id, id .. ':epoch', id .. ':nonce', ':started', ':finished')
if held.err then
  return refusal(guard, held)
end

if not held[1] and not held[2] and from ~= 0 then
  return {'LOST'}
end
local stored = held[2] and tonumber(held[2]) or 0
if held[3] ~= nonce or stored ~= epoch then
  return {'STALE'} -- another process' claim, or a later one of our own whose reply was lost
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

if held[4] ~= held[5] then
  return {'BAD', guard, ':finished', 'torn'}
end

-- Hashes that outlived every gateway's sequence already hold what a whole contribution would add, be it of a gateway
-- that adds nothing to them: behind its sequence, the next one would not be noticed.
local is_first = kind == 'whole' and not guarded()
if is_first then
  for k = 2, #KEYS do
    if redis.call('EXISTS', KEYS[k]) == 1 then
      return {'BAD', KEYS[k], '', 'orphan'}
    end
  end
end

local reply, writes, replied = {'OK'}, {}, 1
local at = 7
for k = 3, #KEYS do
  local key, count = KEYS[k], tonumber(ARGV[at])
  for first = at + 1, at + count, CHUNK do
    local last = math.min(first + CHUNK - 1, at + count)
    local values, failure = read(key, first, last)
    if failure then
      return failure
    end
    local write = {'HSET', key}
    for i = 1, last - first + 1 do
      local field, value = ARGV[first + i - 1], values[i]
      if value == '' or not values.whole and not find(value, '^%d+$') then
        return {'BAD', key, field, 'number'}
      end
      local total = value + ARGV[first + i - 1 + count] -- texts of digits, which Lua adds as numbers
      if total >= LIMIT then
        return {'BAD', key, field, 'limit'}
      end
      reply[replied + i] = total
      write[2 * i + 1] = field
      write[2 * i + 2] = format('%.0f', total) -- Redis would write 1e+15
    end
    replied = replied + last - first + 1
    writes[#writes + 1] = write
  end
  at = at + 1 + 2 * count
end

local started = redis.call('HINCRBY', guard, ':started', 1)
if is_first then
  redis.call('HSET', begun, 'by', id)
end
for _, write in ipairs(writes) do
  redis.call(unpack(write))
end
redis.call('HSET', guard, id, ARGV[5], ':finished', started)
return reply
