-- version, fingerprint, version, fingerprint, ... -> a version of which we have no key or another one;
-- nil if there is none, and from now on ours are remembered too
local ours = {}
for at = 1, #ARGV, 2 do ours[ARGV[at]] = ARGV[at + 1] end
local known = redis.call('HGETALL', KEYS[1])
for at = 1, #known, 2 do
  if ours[known[at]] ~= known[at + 1] then return known[at] end
end
if #known < #ARGV then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return nil
