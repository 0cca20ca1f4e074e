#!lua
-- Claims a gateway's identity in the guard of a partition: from now on only commits with the new epoch and this
-- nonce are applied, so that neither a cloned data directory nor a late commit of our own old connection counts.
--
-- KEYS[1]  the guard
-- ARGV     gateway, nonce of this process, the epoch it holds (0 at boot, when nobody is asked), what its journal
--          inherited of earlier processes, for them to read: nonces, each with a sequence; and what its epoch must be
--          above, which grows from process to process (none: 0)
--
-- Replies  OK epoch sequence   the sequence is nil if this Redis has none of this gateway
--          FENCED ousted at inherited
--                              another process has claimed since: the nonce of the process that it ousted, the
--                              sequence at that moment (nil if there was none), and what it inherited

local guard, id = KEYS[1], ARGV[1]
local nonce, ours = ARGV[2], tonumber(ARGV[3])

local held = redis.call('HMGET', guard, id, id .. ':epoch', id .. ':nonce', id .. ':ousted', id .. ':at', id .. ':inherited')
local stored = held[2] and tonumber(held[2]) or 0

-- Epochs only grow, from process to process also over a Redis that was empty in between. A smaller one than ours is
-- that of a Redis that lost its data or went back in time, and its nonce is that of a claim before ours: not a rival's.
-- Our own nonce with another epoch is a claim of ours whose reply was lost; the nonce of a process whose journal we
-- have inherited is a claim of its that came late: it is dead, since a directory has one process.
local inherited = held[3] and string.find(ARGV[4] or '', held[3], 1, true)
if ours > 0 and stored >= ours and held[3] ~= nonce and not inherited then
  return {'FENCED', held[4], held[5] ~= '' and held[5], held[6]}
end

local epoch = math.max(stored, ours, tonumber(ARGV[5] or 0)) + 1
local claim = {id .. ':epoch', string.format('%.0f', epoch), id .. ':nonce', nonce}

-- So that whoever is ousted learns how far its commits have come, also the one it had no reply to.
if held[3] and held[3] ~= nonce then
  for _, value in ipairs({id .. ':ousted', held[3], id .. ':inherited', ARGV[4], id .. ':at', held[1] or ''}) do
    claim[#claim + 1] = value
  end
end

-- One command, which nothing can tear.
redis.call('HSET', guard, unpack(claim))
return {'OK', epoch, held[1]}
