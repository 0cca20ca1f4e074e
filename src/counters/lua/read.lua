#!lua flags=no-writes
-- All totals of one counter hash, and how far a gateway's own commits are in them, at one moment.
--
-- KEYS[1]  the guard
-- KEYS[2]  the counter hash
-- ARGV     gateway
--
-- Replies  its sequence (or nil), and fields and totals in turn

return {redis.call('HGET', KEYS[1], ARGV[1]), redis.call('HGETALL', KEYS[2])}
