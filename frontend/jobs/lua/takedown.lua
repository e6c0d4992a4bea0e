-- gen_id, its job's id, its entry in the registry, its files as JSON, message -> how many jobs showed it
local gen_id, job, registered, files, message = unpack(ARGV)
-- First, since it is the write that may be refused; and a server that is behind the log runs into it.
redis.call('HSET', TAKEN_DOWN, gen_id, files)
local ids = redis.call('ZRANGE', CACHE_JOBS_PREFIX .. gen_id, 0, -1)
ids[#ids + 1] = job
local ended = 0
for _, id in ipairs(ids) do
  if get(id, 'picture') then
    finish(id, 'FAILED', message)
    redis.call('HDEL', key(id), 'picture', 'verdict', 'sha256')
    ended = ended + 1
  end
end
redis.call('XADD', CACHE, '*', 'gone', gen_id)
redis.call('XADD', PICTURES, '*', 'gone', gen_id)
redis.call('XDEL', PICTURES, registered)
audit('takedown', 'gen_id', gen_id, 'job', job)
return ended
