-- id, sha256 of the picture that was judged, verdict -> 1 if it is this job's verdict now; the first one stays
local id, sha256, verdict = unpack(ARGV)
if get(id, 'state') ~= 'REVIEWING' or get(id, 'sha256') ~= sha256 then return 0 end
redis.call('HSET', key(id), 'state', 'COMPLETED', 'verdict', verdict)
redis.call('EXPIRE', key(id), get(id, 'keep_s'))
return 1
