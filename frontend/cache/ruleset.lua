-- ruleset, version -> 1 if this ruleset is of another version from now on
local name, version = unpack(ARGV)
if redis.call('HGET', RULESETS, name) == version then return 0 end
redis.call('XADD', CACHE, '*', 'ruleset', name, 'version', version)
redis.call('HSET', RULESETS, name, version)
audit('ruleset', 'name', name, 'version', version)
return 1
