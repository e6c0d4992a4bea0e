-- the log, the hash of versions, ruleset, version -> 1 if this ruleset is of another version from now on
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then return 0 end
redis.call('XADD', KEYS[1], '*', 'ruleset', ARGV[1], 'version', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return 1
