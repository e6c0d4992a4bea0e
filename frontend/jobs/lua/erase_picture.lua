-- gen_id, its entry in the registry, what is registered in its place, its files as JSON, message, owner
-- -> 1 if it was there: no server hands it out any more, and it is nobody's
local gen_id, registered, nobodys, files, message, owner = unpack(ARGV)
if #redis.call('XRANGE', PICTURES, registered, registered) == 0 then return 0 end
redis.call('HSET', TAKEN_DOWN, gen_id, files)
for _, id in ipairs(redis.call('ZRANGE', CACHE_JOBS_PREFIX .. gen_id, 0, -1)) do
  if get(id, 'picture') then
    finish(id, 'FAILED', message)
    redis.call('HDEL', key(id), 'picture', 'verdict', 'sha256')
  end
end
redis.call('DEL', CACHE_JOBS_PREFIX .. gen_id, RELEASED_PREFIX .. gen_id .. ':' .. owner)
redis.call('XADD', CACHE, '*', 'gone', gen_id)
-- Servers forget the one entry and learn the other in one step, so `verify` goes on knowing the picture.
redis.call('XADD', PICTURES, '*', 'gone', gen_id, 'picture', nobodys)
redis.call('XDEL', PICTURES, registered)
return 1
