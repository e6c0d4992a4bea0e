-- -> the ms until the deadline of the job that waits longest (which is first in OPEN, behind those at work); nil: none
-- waits among the first
for _, id in ipairs(redis.call('ZRANGE', OPEN, 0, 255)) do
  if get(id, 'state') == 'IN_QUEUE' then return get(id, 'deadline') - now_ms() end
end
