-- id, token of the start, picture, its sha256, its entry in the registry, ms of its networks, bytes -> 1 if this start's picture is the job's picture
local id, token, picture, sha256, registered, engine_ms, bytes = unpack(ARGV)
-- A client library that lost our answer asks again, perhaps after a poll has had the picture judged. A 0 would
-- have the worker delete the files of its own success.
if get(id, 'taken_by') == token and get(id, 'picture') == picture then return 1 end
if not holds(id, token) then return 0 end
-- First, since it is the write that may be refused; it is never trimmed.
redis.call('XADD', PICTURES, '*', 'picture', registered)
settle(id, 'REVIEWING')
redis.call('HSET', key(id), 'picture', picture, 'sha256', sha256)
use_picture(id, get(id, 'owner'), engine_ms, bytes)
return 1
