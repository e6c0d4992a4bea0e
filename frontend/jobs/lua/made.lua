-- id, attempt, picture, its sha256 -> 1 if this attempt's picture is the job's picture
local id, attempt, picture, sha256 = unpack(ARGV)
if not holds(id, attempt) then return 0 end
settle(id, 'REVIEWING')
redis.call('HSET', key(id), 'picture', picture, 'sha256', sha256)
return 1
