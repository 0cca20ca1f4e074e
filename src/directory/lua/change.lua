#!lua
-- Applies one change of the directory to the edition that it was made for, or does nothing.
--
-- KEYS[1]  the hash
-- ARGV[1]  the edition that must be there; empty if nothing may be there yet
-- ARGV[2]  the edition that the change makes
-- ARGV[3]  1: no site and no key that was there before stays
-- then     field and record, in turns; an empty record removes the field
--
-- Says 1 when it was done, 0 when another edition is there.

local register = KEYS[1]
if (redis.call('HGET', register, 'edition') or '') ~= ARGV[1] then
  return 0
end
-- First: a Redis that takes no writes says so here, before anything is taken away.
redis.call('HSET', register, 'edition', ARGV[2])
if ARGV[3] == '1' then
  for _, field in ipairs(redis.call('HKEYS', register)) do
    -- Other fields are those of later versions, which know what to do with them.
    if field:find('^site:') or field:find('^key:') then
      redis.call('HDEL', register, field)
    end
  end
end
for place = 4, #ARGV, 2 do
  if ARGV[place + 1] == '' then
    redis.call('HDEL', register, ARGV[place])
  else
    redis.call('HSET', register, ARGV[place], ARGV[place + 1])
  end
end
return 1
