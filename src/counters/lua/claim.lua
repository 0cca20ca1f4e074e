#!lua
-- Claims a gateway's identity in the guard of a partition: from now on only commits with the new epoch and this
-- nonce are applied, so that neither a cloned data directory nor a late commit of our own old connection counts.
--
-- KEYS[1]  the guard
-- ARGV     gateway, nonce of this process, the epoch it holds (0 at boot, when nobody is asked), what its journal
--          inherited of earlier processes, for them to read: nonces, each with a sequence; and what its epoch must be
--          above, which grows from process to process (none: 0)
--
-- Replies  OK epoch sequence before
--                              the sequence is nil if this Redis has none of this gateway; before is what the last
--                              other process that committed had of earlier ones, itself first, with no bound
--          FENCED ousted at inherited
--                              another process has claimed since: the nonce of the process that it ousted, the
--                              sequence at that moment (nil if there was none), and what it inherited; or it holds
--                              the name and has inherited of the claimant, which then counts as the one it ousted

local ENDLESS = '18446744073709551615' -- 2^64 - 1

local guard, id = KEYS[1], ARGV[1]
local nonce, ours, inherited = ARGV[2], tonumber(ARGV[3]), ARGV[4] or ''

local held = redis.call('HMGET', guard, id, id .. ':epoch', id .. ':nonce', id .. ':ousted', id .. ':at',
  id .. ':inherited', id .. ':before')
local stored, holder = held[2] and tonumber(held[2]) or 0, held[3]
local is_another = holder and holder ~= nonce

-- A holder that has inherited of the claimant goes on from a copy of its directory, and counts what that copy has. The
-- claimant has sent nothing yet, or nothing that this Redis has, if the holder found the name free.
local is_original = is_another and held[6] and string.find(held[6], nonce, 1, true)
if is_original and (ours == 0 or held[4] == '') then
  return {'FENCED', nonce, false, held[6]}
end

-- Epochs only grow, from process to process also over a Redis that was empty in between. A smaller one than ours is
-- that of a Redis that lost its data or went back in time, and its nonce is that of a claim before ours: not a rival's.
-- Our own nonce with another epoch is a claim of ours whose reply was lost; the nonce of a process whose journal we
-- have inherited is a claim of its that came late: it is dead, since a directory has one process.
local is_rival = is_another and stored >= ours and not string.find(inherited, holder, 1, true)
if is_original or ours > 0 and is_rival then
  return {'FENCED', held[4], held[5] ~= '' and held[5], held[6]}
end

local epoch = math.max(stored, ours, tonumber(ARGV[5] or 0)) + 1
local claim = {id .. ':epoch', string.format('%.0f', epoch), id .. ':nonce', nonce, id .. ':inherited', inherited}

-- So that whoever is ousted learns how far its commits have come, also the one it had no reply to; and we, also when
-- this reply is lost, whose they were: not those of a process that found this sequence when it claimed.
local before = held[7] or ''
if holder ~= nonce then
  if not holder then
    before = ''
  elseif (held[1] or '') ~= (held[5] or '') then
    before = string.format('%s:%s %s', holder, ENDLESS, held[6] or '')
  end
  for _, value in ipairs({id .. ':ousted', holder or '', id .. ':at', held[1] or '', id .. ':before', before}) do
    claim[#claim + 1] = value
  end
end

-- One command, which nothing can tear.
redis.call('HSET', guard, unpack(claim))
return {'OK', epoch, held[1], before}
