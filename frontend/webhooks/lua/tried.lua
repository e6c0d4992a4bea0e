-- id, attempt, state that follows, what came of it, ms to the next attempt, s that an ended delivery is kept
-- -> 1 if it is this attempt that was to tell
local id, attempt, state, outcome, wait_ms, keep_s = unpack(ARGV)
local delivery = WEBHOOK_PREFIX .. id
if redis.call('HGET', delivery, 'attempt') ~= attempt or redis.call('HGET', delivery, 'state') ~= 'PENDING' then return 0 end
redis.call('HINCRBY', delivery, 'tries', 1)
redis.call('HSET', delivery, 'state', state, 'outcome', outcome)
if state == 'PENDING' then
  deliver_at(id, now_ms() + wait_ms)
else
  local lane = redis.call('HGET', delivery, 'lane')
  redis.call('ZREM', WEBHOOK_LANE_PREFIX .. lane, id)
  order_lane(lane)
  count_pending(redis.call('HGET', delivery, 'owner'), -1)
  redis.call('EXPIRE', delivery, keep_s)
end
-- Those that have expired meanwhile.
redis.call('ZREMRANGEBYSCORE', WEBHOOKS_KEPT, '-inf', now_ms() - 2 * keep_s * 1000)
return 1
