-- id, attempt, ms -> 1 if this attempt has put itself off: there is nothing to tell yet
local id, attempt, wait_ms = unpack(ARGV)
local delivery = WEBHOOK_PREFIX .. id
if redis.call('HGET', delivery, 'attempt') ~= attempt then return 0 end
if get(id, 'state') == 'REVIEWING' then
  redis.call('HSET', delivery, 'unreviewed', '1') -- the verdict makes it due
  deliver_at(id, now_ms() + wait_ms)
else
  deliver_at(id, now_ms())
end
return 1
