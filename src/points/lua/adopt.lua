#!lua
-- A new process goes on where the one before had told its claims up to, under a token of its own: what a process is told
-- to be the first of can so be only its own.
--
-- KEYS     claims
-- ARGV     token, the token before, the number up to which that one is known to have told
--
-- Replies  the number up to which Redis has all of them

local own, before = ':' .. ARGV[1], ':' .. ARGV[2]
local held = redis.call('HMGET', KEYS[1], own, before)
if held[1] then
  return tonumber(held[1]) -- the reply of an earlier call was lost
end
-- A copy of the data directory may have told more under that token, which says nothing of ours.
local at = math.min(tonumber(held[2] or 0), tonumber(ARGV[3]))
if at > 0 then
  redis.call('HSET', KEYS[1], own, string.format('%.0f', at))
  redis.call('HDEL', KEYS[1], before)
end
return at
